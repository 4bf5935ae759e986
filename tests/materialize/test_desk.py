"""The desk: which names may come, be replaced and go, and what is said of those that may not."""

from pathlib import Path

import pytest

from pulsebot import app
from pulsebot.errors import InvalidInput
from pulsebot.materialize.admission import may_go
from pulsebot.store import viewcatalog
from pulsebot.views.place import InvalidSql, Place
from pulsebot.views.statement import Name
from tests.fakes.world import NO_RULES
from tests.materialize.keeping import keeping
from tests.materialize.site import site

MADE = """
CREATE STREAM S AS SELECT SERVICE_ID, INSTANCE_ID FROM SERVICE_TRIGGER;
CREATE TABLE DIRECT AS SELECT COUNT(*) N FROM S;
CREATE STREAM "of s" AS SELECT SERVICE_ID FROM S;
CREATE TABLE FAR AS SELECT SERVICE_ID, COUNT(*) N FROM "of s" GROUP BY SERVICE_ID;
"""
OTHER = "CREATE OR REPLACE STREAM S AS SELECT SERVICE_ID FROM SERVICE_CRASH"


async def test_what_is_said_of_a_stream_that_is_read_leads_to_its_replacement(
    tmp_path: Path,
) -> None:
    """It names all readers, and statements in the order in which they can go and come."""
    async with app.opened(site(tmp_path), NO_RULES) as opened, opened.reader:
        await opened.desk.execute(MADE)
        with pytest.raises(InvalidInput) as told:
            await opened.desk.execute(OTHER)
        drops = 'DROP TABLE FAR; DROP STREAM "of s"; DROP TABLE DIRECT;'
        assert str(told.value) == (
            "line 1, column 26: S is read by DIRECT, of s, FAR;"
            f" before this: {drops} and after it create DIRECT, of s, FAR again:"
            " what is built, is from the log"
        )
        await opened.desk.builder.built()
        with pytest.raises(InvalidInput, match=r'"of s"; DROP TABLE DIRECT;$'):
            await opened.desk.execute("DROP STREAM S")
        await opened.desk.execute(drops + OTHER)
        await opened.desk.execute(MADE.partition(";")[2])
        await opened.desk.builder.built()


def test_what_is_being_built_reads_as_well(tmp_path: Path) -> None:
    """A stream must not go under a view that has not caught up yet."""
    streams = ("SELECT * FROM SERVICE_TRIGGER",)
    with keeping(tmp_path / "a.db", "SELECT COUNT(*) FROM S0", streams=streams) as made:
        made.connection.execute("UPDATE sql_view SET state = 'building' WHERE name = 'V0'")
        stream = viewcatalog.find(made.connection, "S0")
        assert stream
        with pytest.raises(InvalidSql, match="S0 is read by V0; before this: DROP TABLE V0;"):
            may_go(made.connection, Name("S0", Place()), stream)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TABLE GAP AS SELECT COUNT(*) FROM S", "GAP is one of pulsebot's own names"),
        ("CREATE STREAM ALERT_STARTED AS SELECT * FROM S", "ALERT_STARTED is one of pulsebot's"),
        ('CREATE TABLE "direct" AS SELECT COUNT(*) FROM S', "direct and DIRECT differ in upper"),
        ("CREATE OR REPLACE STREAM LONE AS SELECT * FROM LONE", "there is no .*LONE"),
    ],
)
async def test_a_name_that_means_something_else_is_refused(
    tmp_path: Path, statement: str, said: str
) -> None:
    """A table or an index of ours, another view but for its case, a stream itself."""
    async with app.opened(site(tmp_path), NO_RULES) as opened, opened.reader:
        await opened.desk.execute(MADE)
        await opened.desk.execute("CREATE STREAM LONE AS SELECT * FROM S")
        await opened.desk.builder.built()
        with pytest.raises(InvalidInput, match=said):
            await opened.desk.execute(statement)
        [kept] = await opened.desk.execute("SELECT * FROM DIRECT")
        assert kept.columns == ("N",)
        await opened.desk.execute("DESCRIBE LONE")


async def test_columns_of_one_name_get_numbers_whatever_their_case(tmp_path: Path) -> None:
    """SQLite takes `count` and `COUNT` for one, and a name with a number may be there too."""
    async with app.opened(site(tmp_path), NO_RULES) as opened, opened.reader:
        await opened.desk.execute(
            "CREATE TABLE T AS SELECT SERVICE_ID AS COUNT_2, COUNT(*),"
            ' COUNT(*) AS "count", COUNT(*) FROM SERVICE_TRIGGER GROUP BY SERVICE_ID'
        )
        await opened.desk.builder.built()
        [kept] = await opened.desk.execute("SELECT * FROM T")
        assert kept.columns == ("COUNT_2", "COUNT", "count_3", "COUNT_4")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("EXPLAIN SELECT N FROM DIRECT", "reads the rows of DIRECT; EXPLAIN DIRECT tells of those"),
        ("EXPLAIN DIRECT", "grouped by nothing; 1 aggregate"),
        ("EXPLAIN FAR", "grouped by 1 key; 1 aggregate"),
    ],
)
async def test_explain_tells_of_queries_and_of_views(tmp_path: Path, asked: str, told: str) -> None:
    """A query reads a view's rows; a view reads a stream."""
    async with app.opened(site(tmp_path), NO_RULES) as opened, opened.reader:
        await opened.desk.execute(MADE)
        [answer] = await opened.desk.execute(asked)
        assert told in answer.said.splitlines()


async def test_functions_are_listed_with_what_they_take(tmp_path: Path) -> None:
    """Aggregates and scalar functions, by name."""
    async with app.opened(site(tmp_path), NO_RULES) as opened, opened.reader:
        [answer] = await opened.desk.execute("SHOW FUNCTIONS")
        assert ("PERCENTILE", "aggregate", "(DOUBLE, constant) → DOUBLE") in answer.rows
        assert ("SPLIT", "scalar", "(STRING, STRING) → ARRAY") in answer.rows
        assert list(answer.rows) == sorted(answer.rows)
