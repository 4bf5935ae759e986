import random
from zoneinfo import ZoneInfo

from pulsebot.errors import InvalidInput
from pulsebot.views.dialect import parse
from pulsebot.views.planner import table_plan
from pulsebot.views.source import BUILT_IN
from pulsebot.views.statement import Create, Query
from pulsebot.views.streamplan import stream_source

CORPUS = 20_000
SEED = 20_261_123

EXPRESSIONS = (
    "SERVICE_ID", "NAME", "COUNT", "DURATION_MS", "TAGS['env']", "DATA->'x'", "ROWTIME", "ERROR",
    "1", "2.5", "'it''s'", "NULL", "TRUE", "`Quoted`", "SERVICE_TRIGGER.NAME", "*",
)  # fmt: skip
SHAPES = (
    "{a} + {b}", "{a} = {b}", "({a})", "NOT {a}", "{a} AND {b}", "UCASE({a})", "COUNT({a})",
    "SUM({a})", "TOPK({a}, 3)", "CASE WHEN {a} THEN {b} END", "CAST({a} AS STRING)", "-{a}",
    "{a} IN ({b}, {b})", "{a} BETWEEN {b} AND {a}", "{a} LIKE '%x%'", "{a} IS NULL", "{a}[{b}]",
    "COUNT(DISTINCT {a})", "PERCENTILE({a}, 0.9)", "REGEXP_LIKE({a}, '(a+)+$')", "{a} || {b}",
)  # fmt: skip
CLAUSES = (
    "WINDOW TUMBLING (SIZE 1 DAY)", "WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 5 MINUTES)",
    "WINDOW SESSION (5 MINUTES)", "WHERE {a}", "GROUP BY {a}", "GROUP BY {a}, {b}",
    "HAVING {a} > 1", "EMIT CHANGES", "EMIT FINAL", "ORDER BY {a}", "LIMIT 5",
    "WINDOW TUMBLING (SIZE 2 WEEKS, GRACE PERIOD 1 HOUR, TIMEZONE 'Asia/Tokyo')",
)  # fmt: skip
HEADS = (
    "CREATE TABLE T AS SELECT", "CREATE OR REPLACE TABLE T WITH (MAX_KEYS=5) AS SELECT", "SELECT",
    "CREATE STREAM S AS SELECT", "EXPLAIN SELECT", "CREATE TABLE T FROM TIMESTAMP 'x' AS SELECT",
)  # fmt: skip
OTHERS = (
    "SHOW TABLES", "DESCRIBE X", "DROP TABLE IF EXISTS X", "REPLAY TABLE X FROM TIMESTAMP '2026'",
    "CREATE STREAM S (A STRING, B BIGINT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON')",
)  # fmt: skip
NOISE = (
    "(", ")", "((((((((", "'", '"', "`", ";", "--", "/*", "\x00", "ß", "🙂", "[", "{", "->", "\\",
    "SELECT", "FROM", "CASE", "END", "WITH", "OVER (", "UNION ALL", "JOIN X ON", "::", "@@", "0x",
    "$1", "?", ":a", "INTERVAL", "ARRAY[", "LAMBDA", "x -> x", "PIVOT(", "1e999",
)  # fmt: skip


def _expression(dice: random.Random, depth: int) -> str:
    if depth == 0 or dice.random() < 0.3:
        return dice.choice(EXPRESSIONS)
    a, b = _expression(dice, depth - 1), _expression(dice, depth - 1)
    return dice.choice(SHAPES).replace("{a}", a).replace("{b}", b)


def _statement(dice: random.Random) -> str:
    if dice.random() < 0.05:
        return dice.choice(OTHERS)
    items = ", ".join(_expression(dice, 2) for _ in range(dice.randint(1, 3)))
    stream = dice.choice(("SERVICE_TRIGGER", "SERVICE_TRIGGER T", "SERVICE_CRASH", "NOWHERE"))
    clauses = [
        clause.replace("{a}", _expression(dice, 1)).replace("{b}", _expression(dice, 1))
        for clause in dice.sample(CLAUSES, dice.randint(0, 3))
    ]
    return " ".join([dice.choice(HEADS), items, "FROM", stream, *clauses])


def _mutated(dice: random.Random, text: str) -> str:
    for _ in range(dice.randint(0, 3)):
        at, end = sorted(dice.randrange(len(text) + 1) for _ in range(2))
        change = dice.randrange(4)
        if change == 0:
            text = text[:at] + dice.choice(NOISE) + text[at:]
        elif change == 1:
            text = text[:at] + text[min(end, at + 8) :]
        elif change == 2:
            text = text[:at] + text[at:end] * dice.randint(1, 4) + text[end:]
        else:
            words = text.split(" ")
            dice.shuffle(words)
            text = " ".join(words)
    return text


def _understand(text: str) -> bool:
    """Read and compile a text; return whether it is a statement that can be carried out."""
    try:
        for statement in parse(text):
            query = statement if isinstance(statement, Query) else None
            if isinstance(statement, Create) and statement.query:
                query = statement.query
                if statement.kind == "STREAM":
                    stream_source("S", query, BUILT_IN)
                    continue
            if query:
                table_plan(query, BUILT_IN, ZoneInfo("UTC"))
    except InvalidInput:
        return False
    return True


def test_no_text_is_more_than_refused() -> None:
    """Generated and mutated statements: carried out or refused in words, never anything else."""
    dice = random.Random(SEED)  # noqa: S311 - to be repeatable
    understood = sum(_understand(_mutated(dice, _statement(dice))) for _ in range(CORPUS))
    assert CORPUS / 100 < understood < CORPUS / 2
