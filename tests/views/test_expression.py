from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pulsebot.event import TriggerData, trigger
from pulsebot.views.dialect import parse, parse_one
from pulsebot.views.place import InvalidSql
from pulsebot.views.planner import table_plan
from pulsebot.views.source import BUILT_IN
from pulsebot.views.statement import Create, Show
from pulsebot.views.streamplan import stream_source
from tests.views.samples import AT

EVENT = trigger(
    "svc-a", AT, TriggerData(name="order", duration_ms=2.5, tags={"env": "prod", "empty": ""})
)


def value(expression: str) -> Any:
    """Return what an expression gives for the event."""
    created = parse_one(f"CREATE STREAM X AS SELECT {expression} AS V FROM SERVICE_TRIGGER")  # noqa: S608 - no database
    assert isinstance(created, Create)
    assert created.query
    source = stream_source("X", created.query, BUILT_IN)
    return source.columns["V"].value(EVENT, EVENT.time_ms)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 - 4 / 2", 5),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7.0 / 2", 3.5),
        ("1 / 0", None),
        ("9223372036854775807 + 1", 2.0**63),
        ("NAME = 'order' AND DURATION_MS > 2", True),
        ("INSTANCE_ID = 'x'", None),
        ("INSTANCE_ID = 'x' OR NAME = 'order'", True),
        ("INSTANCE_ID = 'x' AND NAME <> 'order'", False),
        ("NOT (INSTANCE_ID = 'x')", None),
        ("INSTANCE_ID IS NULL", True),
        ("NAME IS NOT NULL", True),
        ("NAME LIKE 'o%r'", True),
        ("NAME LIKE 'o__er'", True),
        ("NAME NOT LIKE '%x%'", True),
        ("'50%' LIKE '50\\%'", True),
        ("NAME IN ('a', 'order')", True),
        ("NAME IN ('a', INSTANCE_ID)", None),
        ("DURATION_MS BETWEEN 2 AND 3", True),
        ("TAGS['env']", "prod"),
        ("TAGS['none']", None),
        ("DATA->'duration_ms'", 2.5),
        ("DATA->'count'", 1),
        ("UCASE(DATA->'name')", "ORDER"),
        ("COALESCE(DATA->'none', TAGS->'env')", "prod"),
        ("CASE WHEN DURATION_MS > 5 THEN 'slow' WHEN DURATION_MS > 1 THEN 'ok' END", "ok"),
        ("CASE NAME WHEN 'x' THEN 1 ELSE 2 END", 2),
        ("CAST('12' AS BIGINT) + 1", 13),
        ("CAST('x' AS BIGINT)", None),
        ("CAST(DURATION_MS AS STRING)", "2.5"),
        ("CAST('TRUE' AS BOOLEAN)", True),
        ("UCASE(NAME) + '!'", "ORDER!"),
        ("CONCAT(NAME, '-', INSTANCE_ID, 3)", "order-3"),
        ("CONCAT_WS('/', NAME, INSTANCE_ID, 'x')", "order/x"),
        ("COALESCE(INSTANCE_ID, 'none')", "none"),
        ("SUBSTRING(NAME, 2, 3)", "rde"),
        ("SUBSTRING(NAME, -2)", "er"),
        ("LPAD('7', 3, '0')", "007"),
        ("INSTR(NAME, 'd')", 3),
        ("SPLIT('a,b', ',')", ["a", "b"]),
        ("SPLIT('a,b', ',')[2]", "b"),
        ("ARRAY_LENGTH(MAP_KEYS(TAGS))", 2),
        ("ROUND(2.5)", 3),
        ("ROUND(-2.567, 1)", -2.6),
        ("GREATEST(1, 2.5)", 2.5),
        ("NULLIF(NAME, 'order')", None),
        ("SQRT(-1)", None),
        ("POWER(10, 1000)", None),
        ("REGEXP_EXTRACT('(o)(r)', NAME, 2)", "r"),
        ("REGEXP_LIKE(NAME, '^or')", True),
        ("REGEXP_EXTRACT_ALL('.r', NAME)", ["or", "er"]),
        ("REGEXP_REPLACE(NAME, 'r(.)', '<$1>')", "o<d>er"),
        ("REGEXP_SPLIT_TO_ARRAY('a1b22c', '[0-9]+')", ["a", "b", "c"]),
        ("ARRAY_JOIN(SPLIT('a,b', ','), '/')", "a/b"),
        ("ARRAY_MAX(SPLIT('b,c,a', ','))", "c"),
        ("ARRAY_MIN(SPLIT('b,c,a', ','))", "a"),
        ("SPLIT_TO_MAP('a=1;b=2;c', ';', '=')['b']", "2"),
        ("MAP_VALUES(SPLIT_TO_MAP('b=2;a=1', ';', '='))", ["1", "2"]),
        ("IS_JSON_STRING('{')", False),
        ("IS_JSON_STRING('[1]')", True),
        ("JSON_ARRAY_LENGTH('[1, 2]')", 2),
        ("JSON_ARRAY_LENGTH('{}')", None),
        ('JSON_KEYS(\'{"b": 1, "a": 2}\')', ["a", "b"]),
        ("TO_JSON_STRING(SPLIT('a,b', ','))", '["a","b"]'),
        ("LOG(2, 8)", 3.0),
        ("LOG(0)", None),
        ("TRUNC(-2.7)", -2),
        ("MASK('Ab-12 x')", "Xx-nn-x"),
        ("URL_EXTRACT_HOST('https://shop.example:8443/a/b?c=d')", "shop.example"),
        ("URL_EXTRACT_PATH('https://shop.example/a/b?c=d')", "/a/b"),
        ("URL_EXTRACT_PROTOCOL('https://shop.example/a')", "https"),
        ("URL_EXTRACT_QUERY('https://shop.example/a?c=d')", "c=d"),
        ("URL_EXTRACT_HOST('http://[')", None),
        ("NAME LIKE 'o%d%'", True),
        ("NAME LIKE 'ord%der'", False),
        ("NAME LIKE '_%r'", True),
        ("- (-9223372036854775807 - 1)", 2.0**63),
        ("EXTRACTJSONFIELD('{\"a\": {\"b\": [1, 2]}}', '$.a.b[1]')", "2"),
        ("EXTRACTJSONFIELD('{', '$.a')", None),
        ("FORMAT_TIMESTAMP(ROWTIME, 'yyyy-MM-dd HH:mm', 'Europe/Berlin')", "2026-11-23 12:30"),
        (
            "PARSE_TIMESTAMP('2026-11-23 12:30', 'yyyy-MM-dd HH:mm', 'Europe/Berlin') = ROWTIME",
            True,
        ),
        ("HOUR_OF_DAY(ROWTIME, 'Asia/Kathmandu')", 17),
    ],
)
def test_values_are_those_of_sql(expression: str, expected: object) -> None:
    """NULL spreads, AND and OR know three values, whole numbers divide towards zero."""
    found = value(expression)
    assert found == expected
    assert isinstance(found, bool) == isinstance(expected, bool)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT SERVCE_ID, COUNT(*) FROM SERVICE_TRIGGER GROUP BY 1", "column 26.*SERVICE_ID"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGER", "column 40: .*did you mean SERVICE_TRIGGER"),
        ("SELECT NAME, COUNT(*) FROM SERVICE_TRIGGER GROUP BY SERVICE_ID", "NAME stands neither"),
        ("SELECT UCSE(NAME), COUNT(*) FROM SERVICE_TRIGGER GROUP BY UCSE(NAME)", "mean UCASE"),
        ("SELECT CUONT(*) FROM SERVICE_TRIGGER", "CUONT.*did you mean COUNT"),
        ("SELECT SUM(NAME) FROM SERVICE_TRIGGER", "SUM needs a DOUBLE, not a STRING"),
        ("SELECT SUM(COUNT(*)) FROM SERVICE_TRIGGER", "cannot be applied to another aggregate"),
        ("SELECT TOPK(DURATION_MS, 0) FROM SERVICE_TRIGGER", "a whole number from 1 to 100"),
        ("SELECT TOPK(DURATION_MS) FROM SERVICE_TRIGGER", "1 constant"),
        ("SELECT PERCENTILE(DURATION_MS, 99) FROM SERVICE_TRIGGER", "a share from 0 to 1"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WHERE NAME > 3", "STRING cannot be compared"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WHERE COUNT(*) > 3", "use HAVING"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WHERE NAME", "needs a condition.*STRING"),
        ("SELECT * FROM SERVICE_TRIGGER", "columns by name"),
        ("SELECT COUNT(*) FROM (SELECT * FROM SERVICE_TRIGGER)", "sub-queries are not supported"),
        ("SELECT COUNT(*) FROM A JOIN B ON A.X = B.X", "cannot be joined|there is no stream"),
        ("SELECT COUNT(*) OVER () FROM SERVICE_TRIGGER", "WINDOW.* is not supported"),
        ("SELECT DISTINCT NAME FROM SERVICE_TRIGGER", "use GROUP BY"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER UNION SELECT 1", "only one SELECT"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER ORDER BY 1", "a view has no order"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WINDOW TUMBLING (SIZE 1 DYA)", "a unit of time"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WINDOW TUMBLING (SIZE 1 DAY, TIMEZONE 'Berlin')",
         "did you mean Europe/Berlin"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WINDOW HOPPING (SIZE 1 DAY)", "ADVANCE BY"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER GROUP BY TAGS", "cannot GROUP BY a MAP"),
        ("SELECT COUNT(*) AS WINDOWSTART FROM SERVICE_TRIGGER", "cannot be called WINDOWSTART"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WHERE REGEXP_LIKE(NAME, '(?=x)')", "look-around"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WHERE NAME LIKE EXTRACTJSONFIELD(NAME, 'a')",
         r"a path begins with \$"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WHERE FORMAT_TIMESTAMP(ROWTIME, 'yyyy-QQ') = 'x'",
         "FORMAT_TIMESTAMP: .*Q"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WHERE HOUR_OF_DAY(ROWTIME, 'Moon/Base') = 1",
         "HOUR_OF_DAY: .*Moon/Base"),
        ("SELECT COUNT(*) FROM SERVICE_TRIGGER WHERE ROWTIME > UNIX_TIMESTAMP()", "use ROWTIME"),
        ("SELECT CAST(NAME AS FROG) FROM SERVICE_TRIGGER GROUP BY NAME", "no type FROG"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named_with_place_and_mend(statement: str, said: str) -> None:
    """Line, column, what was expected, and the nearest name."""
    with pytest.raises(InvalidSql, match=said) as refused:
        _plan(f"CREATE TABLE X AS {statement}")
    assert refused.value.place.line == 1
    assert refused.value.place.column > 1


def _plan(statement: str) -> None:
    created = parse_one(statement)
    assert isinstance(created, Create)
    assert created.query
    table_plan(created.query, BUILT_IN, ZoneInfo("UTC"))


def test_comments_may_stand_anywhere() -> None:
    """After a semicolon, before it, alone: they are no statements."""
    text = "-- one\nSHOW TABLES; -- two\nSHOW /* three */ STREAMS;\n-- four\n"
    assert parse(text) == [Show("TABLES"), Show("STREAMS")]
