"""Twenty views as a company might have them, and how they are put into a fresh database."""

from zoneinfo import ZoneInfo

from pulsebot.materialize.definitions import query_of
from pulsebot.materialize.keeper import shape_of
from pulsebot.store import viewcatalog, viewtables
from pulsebot.store.database import Connection
from pulsebot.store.viewcatalog import Draft, State
from pulsebot.views.planner import table_plan
from pulsebot.views.source import BUILT_IN
from pulsebot.window import DAY_MS

DAY_COUNT = (
    "SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER"
    " WINDOW TUMBLING (SIZE 1 DAY) GROUP BY SERVICE_ID"
)
VIEWS = (
    DAY_COUNT,
    (
        "SELECT SERVICE_ID, NAME, COUNT(*) FROM SERVICE_TRIGGER"
        " WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY SERVICE_ID, NAME"
    ),
    (
        "SELECT SERVICE_ID, ERROR, COUNT(*) FROM SERVICE_CRASH"
        " WINDOW TUMBLING (SIZE 1 DAY) GROUP BY SERVICE_ID, ERROR"
    ),
    (
        "SELECT TAGS['team'], COUNT(*) FROM SERVICE_TRIGGER"
        " WINDOW TUMBLING (SIZE 5 MINUTES) GROUP BY TAGS['team']"
    ),
    (
        "SELECT SERVICE_ID, STATE, COUNT(*) FROM SERVICE_STATUS"
        " WINDOW TUMBLING (SIZE 1 DAY) GROUP BY SERVICE_ID, STATE"
    ),
    (
        "SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER"
        " WINDOW TUMBLING (SIZE 1 DAY, TIMEZONE 'Europe/Berlin') GROUP BY SERVICE_ID"
    ),
    "SELECT LEVEL, COUNT(*) FROM APP_MESSAGE WINDOW TUMBLING (SIZE 1 DAY) GROUP BY LEVEL",
    "SELECT COUNT(*) FROM SERVICE_TRIGGER WINDOW TUMBLING (SIZE 1 MINUTE)",
    (
        "SELECT SERVICE_ID, COUNT(*) FROM SERVICE_CRASH"
        " WINDOW TUMBLING (SIZE 1 WEEK) GROUP BY SERVICE_ID"
    ),
    (
        "SELECT SERVICE_ID, MAX(RSS) FROM SERVICE_STATUS"
        " WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY SERVICE_ID"
    ),
    (
        "SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER"
        " WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 15 MINUTES) GROUP BY SERVICE_ID"
    ),
    "SELECT ERROR, COUNT(*) FROM SERVICE_CRASH GROUP BY ERROR",
    (
        "SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER WHERE TAGS['env'] = 'prod'"
        " WINDOW TUMBLING (SIZE 1 MONTH) GROUP BY SERVICE_ID"
    ),
    "SELECT SERVICE_ID, COUNT(*) FROM SERVICE_CRASH WINDOW SESSION (5 MINUTES) GROUP BY SERVICE_ID",
    (
        "SELECT TAGS['env'], TAGS['team'], COUNT(*) FROM SERVICE_CRASH"
        " WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY TAGS['env'], TAGS['team']"
    ),
    "SELECT NAME, COUNT(*) FROM SERVICE_TRIGGER GROUP BY NAME",
    (
        "SELECT INSTANCE_ID, COUNT(*) FROM SERVICE_STATUS WHERE STATE <> 'up'"
        " WINDOW TUMBLING (SIZE 15 MINUTES) GROUP BY INSTANCE_ID"
    ),
    (
        "SELECT SERVICE_ID, COUNT(*) FROM SERVICE_TRIGGER WINDOW TUMBLING (SIZE 1 DAY)"
        " GROUP BY SERVICE_ID HAVING COUNT(*) > 1000"
    ),
    (
        "SELECT SERVICE_ID, AVG(RSS), MAX(CPU) FROM SERVICE_STATUS"
        " WINDOW TUMBLING (SIZE 1 DAY) GROUP BY SERVICE_ID"
    ),
    (
        "SELECT SERVICE_ID, COUNT(*) FROM APP_MESSAGE WHERE LEVEL IN ('error', 'critical')"
        " WINDOW TUMBLING (SIZE 1 DAY) GROUP BY SERVICE_ID"
    ),
)


def enter(connection: Connection, number: int, select: str, state: State) -> int:
    """Put a view into the catalog as it is created by hand; return its id."""
    statement = f"CREATE TABLE BENCH_{number} AS {select}"
    draft = Draft(f"BENCH_{number}", "TABLE", statement, "UTC", 100_000, 400 * DAY_MS, 0)
    entry = viewcatalog.add(connection, draft, state)
    plan = table_plan(query_of(statement), BUILT_IN, ZoneInfo("UTC"))
    shape = shape_of(entry, plan)
    viewtables.create(connection, shape)
    viewtables.show(connection, shape)
    return entry.id


def enter_live(connection: Connection, count: int) -> None:
    """Put the first views into an empty database, live from the start."""
    for number, select in enumerate(VIEWS[:count]):
        enter(connection, number, select, "live")
