from pathlib import Path

import pytest

from pulsebot.errors import InvalidConfig
from pulsebot.ruleset import load_rules
from pulsebot.views.creation import meaning

GOOD = """-- how often each service is triggered
CREATE TABLE PER_DAY AS
SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER
WINDOW TUMBLING (SIZE 1 DAY) GROUP BY SERVICE_ID;
"""

FATAL = "CREATE STREAM FATAL AS SELECT * FROM SERVICE_CRASH WHERE EXIT_CODE = 1;"
OTHER = FATAL.replace("FATAL", "OTHER")
TAKEN = "CREATE TABLE SERVICE_CRASH AS SELECT COUNT(*) FROM X"
FIRST = "CREATE TABLE PER_DAY AS SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER"


def said(folder: Path) -> list[str]:
    """Return what is wrong with the files of a folder, without the folder's name."""
    with pytest.raises(InvalidConfig) as told:
        load_rules([folder], chats={"console": None})
    return str(told.value).replace(f"{folder}/", "").splitlines()


def test_views_are_read_beside_the_rules(tmp_path: Path) -> None:
    """By the order of file names, so that a view may read a stream of an earlier file."""
    (tmp_path / "b.sql").write_text("CREATE TABLE T AS SELECT COUNT(*) FROM FATAL;")
    (tmp_path / "a.sql").write_text(GOOD + FATAL)
    views = load_rules([tmp_path, tmp_path / "b.sql"], chats={}).views
    assert [(v.create.name.text, Path(v.file).name, v.line) for v in views] == [
        ("PER_DAY", "a.sql", 2),
        ("FATAL", "a.sql", 5),
        ("T", "b.sql", 1),
    ]


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    """Of all files at once, YAML and SQL."""
    (tmp_path / "a.sql").write_text(GOOD + "\nSELECT * FROM PER_DAY;\nSHOW TABLES;")
    (tmp_path / "b.sql").write_text("CREATE TABLE U AS\nSELECT ERORR FROM SERVICE_CRASH")
    (tmp_path / "c.sql").write_text("CREATE TABLE\nAS SELECT; CREATE VIEW W;\n" + FATAL)
    (tmp_path / "d.sql").write_text(GOOD + TAKEN)
    (tmp_path / "e.sql").write_text(
        "CREATE TABLE V WITH (MAX_KEYS = 0) AS SELECT COUNT(*) FROM SERVICE_CRASH"
    )
    (tmp_path / "f.sql").write_bytes(b"\xff")
    (tmp_path / "g.yaml").write_text("version: 2\n")
    told = "\n".join(said(tmp_path))
    for line in (
        "a.sql:6:8: only CREATE statements may stand here, not SELECT",
        "a.sql: only CREATE statements may stand here, not SHOW",
        "b.sql:2:8: ERORR is no column; did you mean ERROR?",
        "c.sql:2:1: expected",
        "c.sql:2:19: expected TABLE or STREAM",
        "d.sql:2:14: PER_DAY is there already, in a.sql:2",
        "d.sql:5:14: SERVICE_CRASH is one of pulsebot's own names",
        "e.sql:1:14: MAX_KEYS must be 1 to",
        "f.sql: cannot be read",
        "g.yaml:1:",
    ):
        assert line in told.replace(str(tmp_path) + "/", ""), line


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("decision", "DECISION is one of pulsebot's own names"),
        ('"Outbox_Open"', "Outbox_Open is one of pulsebot's own names"),
        ("SQLITE_STAT1", "names that begin with SQLITE_ are pulsebot's own"),
        ("VIEW_7", "names that begin with VIEW_ are pulsebot's own"),
        ('"Other"', "Other is there already, in "),
    ],
)
def test_a_name_that_the_database_needs_is_refused(tmp_path: Path, name: str, told: str) -> None:
    """Of a table or an index of ours, of SQLite's own, and what only case tells from another."""
    table = TAKEN.replace("SERVICE_CRASH", name).replace(" X", " OTHER")
    (tmp_path / "a.sql").write_text(f"{OTHER}\n{table}")
    [problem] = said(tmp_path)
    assert problem.startswith(f"a.sql:2:14: {told}")


def test_an_empty_folder_names_both_kinds_of_file(tmp_path: Path) -> None:
    """A folder without rules or views is a mistake."""
    assert "(*.yaml, *.sql)" in said(tmp_path)[0]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("create   table per_day as select SERVICE_ID, count( * ) from SERVICE_TRIGGER", True),
        (FIRST.replace("CREATE", "CREATE OR REPLACE") + ";", True),
        (FIRST.replace("AS ", "AS -- x\n").replace(", ", ",/* y */"), True),
        (FIRST.replace("(*)", "(1)"), False),
        (FIRST.replace("SERVICE_ID", "'SERVICE_ID'"), False),
    ],
)
def test_blanks_and_comments_mean_nothing(other: str, same: bool) -> None:  # noqa: FBT001 - a column of the table
    """Only what is computed tells two statements apart."""
    assert (meaning(FIRST) == meaning(other)) is same


def test_texts_are_told_apart_by_case() -> None:
    """`'A'` is another text than `'a'`."""
    one = "CREATE TABLE T AS SELECT COUNT(*) FROM SERVICE_TRIGGER WHERE SERVICE_ID = 'A'"
    assert meaning(one) != meaning(one.replace("'A'", "'a'"))


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ("HOPPING (SIZE 1 DAY, ADVANCE BY 1 SECOND)", "in 86,400 windows; ADVANCE BY 288 SECONDS"),
        ("HOPPING (SIZE 1 HOUR, ADVANCE BY 2 HOURS)", "ADVANCE BY 2 HOURS leaves gaps"),
        ("TUMBLING (SIZE 100000 MONTHS)", "100000 MONTHS is too long"),
        ("SESSION (99999 WEEKS)", "99999 WEEKS is too long"),
    ],
)
def test_windows_that_could_not_be_kept_are_refused(tmp_path: Path, window: str, told: str) -> None:
    """Before a view is built: one event in 86,400 windows held up all others."""
    (tmp_path / "a.sql").write_text(f"{FIRST}\nWINDOW {window} GROUP BY SERVICE_ID")
    [problem] = said(tmp_path)
    assert problem.startswith("a.sql:2:1: ")
    assert told in problem


def test_a_wrong_number_is_the_one_that_is_named(tmp_path: Path) -> None:
    """Not the word behind it."""
    (tmp_path / "a.sql").write_text(f"{FIRST}\nWINDOW TUMBLING (SIZE 1.5 DAYS) GROUP BY SERVICE_ID")
    assert said(tmp_path) == ["a.sql:2:23: expected a whole number, not `1.5`"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ('SERVICE_ID AS "windowstart", COUNT(*)', "a column cannot be called windowstart"),
        ('SERVICE_ID AS "end", COUNT(*)', "a column cannot be called end"),
        ('SERVICE_ID AS "a\x00b", COUNT(*)', "a column cannot be called"),
    ],
)
def test_columns_that_the_database_could_not_tell_apart_are_refused(
    tmp_path: Path, columns: str, told: str
) -> None:
    """They failed only when the bot came to make the view."""
    select = FIRST.replace("SERVICE_ID, COUNT(*)", columns)
    (tmp_path / "a.sql").write_text(f"{select} GROUP BY SERVICE_ID")
    [problem] = said(tmp_path)
    assert told in problem


def test_only_windows_are_ever_final(tmp_path: Path) -> None:
    """Without a window nothing ends, and nothing would ever be shown."""
    (tmp_path / "a.sql").write_text(f"{FIRST} GROUP BY SERVICE_ID EMIT FINAL")
    assert "EMIT FINAL needs a WINDOW" in said(tmp_path)[0]


def test_a_long_file_is_no_deep_one(tmp_path: Path) -> None:
    """NOT and signs count where they nest, not from one statement or operand to the next."""
    where = "WHERE NAME IS NOT NULL AND COUNT - 1 - 1 > -1 GROUP BY SERVICE_ID HAVING COUNT(*) > 1"
    views = [f"{FIRST.replace('PER_DAY', f'T{n}')} {where};" for n in range(50)]
    (tmp_path / "a.sql").write_text("\n".join(views))
    assert len(load_rules([tmp_path], chats=()).views) == 50


def test_a_chain_without_end_is_refused(tmp_path: Path) -> None:
    """What would exhaust the stack when it is walked: in words, with its place."""
    chain = " OR ".join(f"SERVICE_ID = 's{n}'" for n in range(500))
    (tmp_path / "a.sql").write_text(f"{FIRST} WHERE {chain} GROUP BY SERVICE_ID")
    assert said(tmp_path) == ["a.sql:1:80: more than 100 levels; many values go into IN ('a', 'b')"]
