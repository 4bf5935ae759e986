from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulsebot.errors import InvalidConfig
from pulsebot.ruleset import Ruleset, check_cases, load_rules

CHATS = dict.fromkeys(["console", "slack", "telegram", "webhook"])
EXAMPLES = Path(__file__).parent.parent / "rules"
ROUTES = "routes: [{match: {}, to: [console], then: stop}]\n"


def load(folder: Path, *texts: str) -> Ruleset:
    """Load rule files with these texts, called 0.yaml, 1.yaml and so on."""
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text, encoding="utf-8")
    return load_rules([folder], chats=CHATS)


def problems(folder: Path, *texts: str) -> list[str]:
    """Return what is wrong with rule files, each as `file:line: message` in one text."""
    with pytest.raises(InvalidConfig) as caught:
        load(folder, *texts)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def one_rule(rule: str, more: str = ROUTES) -> str:
    """Return a file with one rule, which begins in line 3."""
    return f"version: 1\nrules:\n  - {rule}\n{more}"


def test_the_examples_are_right_and_do_what_their_tests_say() -> None:
    """Every file under rules/ loads with the console alone, and its own tests pass."""
    ruleset = load_rules([EXAMPLES], chats={"console": None})
    assert {rule.id for rule in ruleset.rules} >= {"new-crash", "crash-loop", "unhealthy"}
    assert ruleset.digests["daily"].to == ("console",)
    assert ruleset.tests
    assert check_cases(ruleset) == []


def test_every_problem_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    """Three faults in two files are three lines, each with its file and line."""
    first = one_rule("{id: a, when: {kind: crash}, condition: {type: any}, severity: sever}")
    second = "version: 1\nrules:\n  - id: Big\n    when: {}\n    severity: info\n"
    second += "    condition: {type: any}\n"
    assert problems(tmp_path, first, second) == [
        "0.yaml:3: `severity`: 'sever' is not one of info, warning, error or critical",
        "1.yaml:3: `id`: 'Big' may have only the characters a-z, 0-9 and - (100 at most)",
        "1.yaml:4: `when.kind` is missing",
    ]


GOOD = "{id: a, when: {kind: crash}, condition: {type: any}, severity: info}"


def with_rule(**parts: str) -> str:
    """Return a file whose rule has these parts in place of the good ones."""
    written = {"id": "a", "when": "{kind: crash}", "condition": "{type: any}", "severity": "info"}
    items = ", ".join(f"{key}: {value}" for key, value in (written | parts).items() if value)
    return one_rule(f"{{{items}}}")


def with_route(route: str) -> str:
    """Return a file with a good rule and this route, in line 5."""
    return one_rule(GOOD, f"routes:\n  - {route}\n")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"severity": ""}, "`severity` is missing"),
        ({"sevrity": "info"}, "`sevrity` is not a known key; did you mean `severity`?"),
        ({"id": "5"}, '`id`: 5 is not a text; put it in quotes: "5"'),
        ({"id": "A_b"}, "`id`: 'A_b' may have only the characters a-z, 0-9 and - (100 at most)"),
        ({"text": "true"}, '`text`: true is not a text; put it in quotes: "true"'),
        ({"text": "[a]"}, "`text`: must be a text, not a list"),
        ({"text": '"{servce} is bad"'},
         "`text`: there is no field {servce}; did you mean {service}? (a tag is {tags.NAME})"),
        ({"labels": "{team: 5}"}, '`labels.team`: 5 is not a text; put it in quotes: "5"'),
        ({"when": "{}"}, "`when.kind` is missing"),
        ({"when": "crash"}, "`when`: must be a mapping of `key: value`, not 'crash'"),
        ({"when": "{kind: crsh}"},
         ("`when.kind`: 'crsh' is not one of trigger, crash, status or message; "
         "did you mean `crash`?")),
        ({"when": "{kind: []}"}, "`when.kind`: must not be empty"),
        ({"when": "{kind: crash, servce: x}"},
         "`servce` is not a known key; did you mean `service`?"),
        ({"when": "{kind: crash, tags: {env: true}}"},
         '`when.tags.env`: true is not a text; put it in quotes: "true"'),
        ({"when": "{kind: crash, level: info}"},
         "`when`: `level` is a field of message events only; put `kind: message` or remove it"),
        ({"condition": "{}"},
         "`condition` lacks its `type`: one of any, fingerprint, state, threshold"),
        ({"condition": "{type: thresold, count: 5}"},
         ("`condition.type`: 'thresold' is not one of any, fingerprint, state, threshold; "
         "did you mean `threshold`?")),
        ({"condition": "{type: spike, ratio: 3}"},
         ("`condition.type`: `spike` is not supported in this version; use any, fingerprint, "
         "state, threshold")),
        ({"condition": "{type: any, count: 5}"}, ("`count` is not a known key; remove it "
         "(there are type)")),
        ({"condition": "{type: threshold, count: 5}"}, "`condition.within` is missing"),
        ({"condition": "{type: threshold, count: true, within: 1m}"},
         "`condition.count`: must be a whole number, not true"),
        ({"condition": '{type: threshold, count: "5", within: 1m}'},
         "`condition.count`: must be a whole number, not '5'"),
        ({"condition": "{type: threshold, count: 0, within: 1m}"},
         "`condition.count`: must be at least 1"),
        ({"condition": "{type: threshold, count: 10001, within: 1m}"},
         "`condition.count`: must be at most 10,000"),
        ({"condition": "{type: threshold, count: 5, within: 600}"},
         "`condition.within`: 600 is not a duration; write it like 90s, 10m or 1h30m"),
        ({"condition": "{type: threshold, count: 5, within: 0s}"},
         "`condition.within`: 0s is no time at all"),
        ({"condition": "{type: threshold, count: 5, within: 999w}"},
         "`condition.within`: 999w is longer than 400 days"),
        ({"condition": "{type: threshold, count: 5, within: 1m, by: [servce]}"},
         ("`condition.by`: 'servce' cannot make a key; use service, instance, fingerprint, error, "
         "name, level, or {tag: NAME} for a tag")),
        ({"condition": "{type: threshold, count: 5, within: 1m, bye: [service]}"},
         "`bye` is not a known key; did you mean `by`?"),
        ({"condition": "{type: state}"},
         "`rule`: condition `state` cannot judge crash events; select `kind: status`"),
        ({"condition": "{type: fingerprint, on: [new, old]}"},
         "`condition.on`: 'old' is not one of new or regression"),
    ],
)  # fmt: skip
def test_faults_of_rules(tmp_path: Path, parts: dict[str, str], said: str) -> None:
    """Each fault is told in words, at its line, with the mend."""
    assert problems(tmp_path, with_rule(**parts)) == [f"0.yaml:3: {said}"]


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("{match: {}, to: [console]}",
         "`then` is missing; say `then: stop`, or `then: continue` to look at later routes too"),
        ("{to: [console], then: stop}",
         "`match` is missing; say `match: {}` to match everything"),
        ("{match: {}, to: [console], then: halt}", "`then`: 'halt' is not one of stop or continue"),
        ("{match: {}, to: [], then: stop}", "`to`: must not be empty"),
        ("{match: {}, to: [matrix:#ops], then: stop}",
         ("`to`: `matrix:#ops`: there is no chat `matrix` in the settings; there are console, "
         "slack, telegram, webhook")),
        ("{match: {}, to: ['#ops'], then: stop}",
         ("`to`: '#ops' is not a receiver; write console, slack:#channel, telegram:name or "
         "webhook:name")),
        ("{match: {}, to: [slack], then: stop}",
         "`to`: `slack` lacks a target, such as slack:name"),
        ('{match: {}, to: ["slack:"], then: stop}',
         ("`to`: 'slack:' is not a receiver; write console, slack:#channel, telegram:name or "
         "webhook:name")),
        ('{match: {}, to: [slack: "#ops"], then: stop}',
         "`to`: a receiver is one word, such as slack:#crash (no space after the colon)"),
        ("{match: {}, to: [digest:daily], then: stop}",
         ("`to`: `digest:daily`: holding a message for a digest is not supported in this version; "
         "name a chat")),
        ("{match: {}, to: [console], then: stop, group: {}}",
         "`group` is not supported in this version; remove it"),
        ("{match: {severty: info}, to: [console], then: stop}",
         "`severty` is not a known key; did you mean `severity`?"),
        ("{match: {rule: b}, to: [console], then: stop}",
         "there is no rule `b`; there are a"),
    ],
)  # fmt: skip
def test_faults_of_routes(tmp_path: Path, route: str, said: str) -> None:
    """Each fault of a route is told in words, at its line, with the mend."""
    assert problems(tmp_path, with_route(route)) == [f"0.yaml:5: {said}"]


@pytest.mark.parametrize(
    ("digest", "said"),
    [
        ("{at: 9, tz: UTC, to: console}",
         '`daily.at`: 9 is not a time of day; write it like "09:00", in quotes'),
        ("{at: 9:00, tz: UTC, to: console}",
         "`daily.at`: '9:00' is not a time of day; write it like \"09:00\", in quotes"),
        ("{at: 09:00, tz: Europe/Berln, to: console}",
         "`daily.tz`: there is no time zone 'Europe/Berln'; did you mean Europe/Berlin"),
        ("{at: 09:00, tz: UTC, to: console, days: [monday]}",
         ("`daily.days`: 'monday' is not one of mon, tue, wed, thu, fri, sat or sun; "
         "did you mean `mon`?")),
        ("{at: 09:00, tz: UTC, to: console, include: [held]}",
         ("`daily.include`: `held` is not supported in this version; use triggers, crashes, "
         "unstable or status")),
        ("{at: 09:00, tz: UTC, to: console, day: mon}",
         "`day` is not a known key; did you mean `days`?"),
    ],
)  # fmt: skip
def test_faults_of_digests(tmp_path: Path, digest: str, said: str) -> None:
    """Each fault of a digest is told in words, at its line, with the mend."""
    found = problems(tmp_path, f"version: 1\ndigests:\n  daily: {digest}\n{ROUTES}")
    assert len(found) == 1
    assert found[0].startswith(f"0.yaml:3: {said}")


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (("{name: t, at: 2026-11-23T10:00:00, events: [{kind: crash, service: s, error: E}], "
         "expect: []}"),
         "`at`: 2026-11-23 10:00:00 lacks its zone; add Z or an offset like +02:00"),
        ("{name: t, at: noon, events: [{kind: crash, service: s, error: E}], expect: []}",
         "`at`: 'noon' is not a time; write it like 2026-03-29T02:30:00+02:00"),
        ("{name: t, at: 2026-11-23T10:00:00Z, events: [], expect: []}",
         "`events`: must not be empty"),
        ("{name: t, at: 2026-11-23T10:00:00Z, events: [{kind: crash, service: s}], expect: []}",
         "`events`: not an event: Object missing required field `error` - at `$.data`"),
        (("{name: t, at: 2026-11-23T10:00:00Z, events: [{kind: crash, service: s, error: E, "
         "state: up}], expect: []}"), ("`events`: a crash has no `state`; it has error, message, "
         "stack, exit_code, signal, fingerprint, tags")),
        (("{name: t, at: 2026-11-23T10:00:00Z, events: [{kind: crash, service: s, error: E}], "
         "expect: [{rule: ab, to: console}]}"), "there is no rule `ab`; did you mean `a`?"),
    ],
)  # fmt: skip
def test_faults_of_tests(tmp_path: Path, case: str, said: str) -> None:
    """Each fault of a test is told in words, at its line, with the mend."""
    found = problems(tmp_path, one_rule(GOOD, f"tests:\n  - {case}\n{ROUTES}"))
    assert found == [f"0.yaml:5: {said}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: []\n" + ROUTES, "0.yaml:1: `version` is missing; put `version: 1` at the top"),
        ("version: 2\n" + ROUTES, "0.yaml:1: `version`: must be 1, not 2"),
        ("version: 1\nrule: []\n" + ROUTES,
         "0.yaml:2: `rule` is not a known key; did you mean `rules`?"),
        ("version: 1\ncalendars: {}\n" + ROUTES,
         "0.yaml:2: `calendars` is not supported in this version; remove it"),
        ("version: 1\nrules: {}\n" + ROUTES,
         "0.yaml:2: `rules`: must be a list, each item on its own `- `"),
        ("version: 1\n",
         ("0.yaml: there is no route in any rule file, so nobody would be told; add "
         "`routes: [{match: {}, to: [console], then: stop}]`")),
    ],
)  # fmt: skip
def test_faults_of_files(tmp_path: Path, text: str, said: str) -> None:
    """A file that is wrong as a whole says so."""
    assert problems(tmp_path, text) == [said]


def test_names_are_unique_over_all_files(tmp_path: Path) -> None:
    """A rule or digest that is there twice is told with where the other one is."""
    digests = "digests:\n  daily: {at: '09:00', tz: UTC, to: console}\n"
    assert problems(tmp_path, one_rule(GOOD, digests), one_rule(GOOD, ROUTES + digests)) == [
        f"1.yaml:3: rule `a` is there already, in {tmp_path}/0.yaml:3; rename one".replace(
            f"{tmp_path}/", ""
        ),
        "1.yaml:6: digest `daily` is there already, in 0.yaml:5; rename one",
    ]


def test_a_route_that_is_never_reached_is_told(tmp_path: Path) -> None:
    """Routes are one list over all files; what an earlier `stop` takes away is a problem."""
    narrow = "version: 1\nroutes:\n  - {match: {severity: info}, to: console, then: stop}\n"
    assert problems(tmp_path, one_rule(GOOD), narrow) == [
        (
            "1.yaml:3: this route is never reached: the one in 0.yaml:4 takes all that it matches "
            "and says `then: stop`; put this one first"
        )
    ]


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Routes of several files are one list; other files of the folder are left alone."""
    (tmp_path / "README.md").write_text("not a rule file")
    narrow = "version: 1\nroutes:\n  - {match: {severity: info}, to: console, then: stop}\n"
    ruleset = load(tmp_path, narrow, one_rule(GOOD))
    assert [route.match.severity for route in ruleset.routes] == [("info",), None]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    """A folder and a file in it do not clash with each other."""
    load(tmp_path, one_rule(GOOD))
    ruleset = load_rules([tmp_path, tmp_path / "0.yaml"], chats=CHATS)
    assert len(ruleset.rules) == 1


def test_a_folder_that_is_missing_or_empty_is_a_problem(tmp_path: Path) -> None:
    """Nothing to read is told with the path."""
    with pytest.raises(InvalidConfig, match=r"no rule files \(\*\.yaml, \*\.sql\) in this folder"):
        load_rules([tmp_path], chats=CHATS)
    with pytest.raises(InvalidConfig, match="there is no such rule file or folder"):
        load_rules([tmp_path / "rules"], chats=CHATS)


def test_the_version_hash_changes_with_the_meaning_only(tmp_path: Path) -> None:
    """Comments and layout do not make another version; a changed rule does."""
    first = load(tmp_path, with_rule()).version_hash
    assert load(tmp_path, "# a comment\n" + with_rule()).version_hash == first
    assert load(tmp_path, with_rule(severity="error")).version_hash != first


def test_a_test_that_fails_is_told_with_its_place(tmp_path: Path) -> None:
    """What came and was not expected, and the other way round, is said in words."""
    case = (
        "tests:\n  - name: t\n    at: 2026-11-23T10:00:00Z\n"
        "    events: [{kind: crash, service: s, error: E}]\n"
        "    expect: [{rule: a, to: slack:#x}]\n"
    )
    found = check_cases(load(tmp_path, one_rule(GOOD, case + ROUTES)))
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in found] == [
        "0.yaml:5: test 't': expected, but did not come: a (firing) to slack:#x",
        "0.yaml:5: test 't': came, but was not expected: a (firing) to console",
    ]


DEMO = (EXAMPLES / "demo.yaml").read_bytes()
SPLINTERS = [
    b"\t", b"\x00", b"\xff", b"&a ", b"*a", b"!!", b"? ", b"- ", b": ", b"{", b"]", b"'", b'"',
    b"\\", b"#", b"|\n", b"\n", b"%", b"<<: ", b"true", b"1e999", b"-1", b"~", b"\n---\n",
    b"[" * 20, "\u2028".encode(), b"{a: {b: [", b"999999999999999999999d",
]  # fmt: skip


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Draw a rule file with a few bytes replaced, removed or put in."""
    text = DEMO
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.sampled_from([0, 0, 1, 3, 40]))
        text = text[:start] + draw(st.sampled_from(SPLINTERS) | st.binary(max_size=3)) + text[end:]
    return text


@settings(deadline=None, max_examples=150)
@given(broken())
def test_a_broken_file_never_gives_more_than_problems(text: bytes) -> None:
    """Whatever is in a rule file, the answer is a rule set or a list of problems."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "rules.yaml").write_bytes(text)
        found = []
        try:
            found = check_cases(load_rules([Path(folder)], chats=CHATS))
        except InvalidConfig as error:
            found = list(error.problems)
        assert all(problem.file.endswith("rules.yaml") for problem in found)
