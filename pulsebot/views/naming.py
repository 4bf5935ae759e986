"""Names that a view, stream or lookup table cannot have, whatever its statement says.

Views stand in the database under their own names, beside pulsebot's tables and indexes; SQLite
has one name for one thing, in any case of letters.
"""

from pulsebot.views.place import InvalidSql
from pulsebot.views.source import BUILT_IN
from pulsebot.views.statement import Name

PREFIXES = ("SQLITE_", "VIEW_", "MARK_", "IDX__SQLITE_", "_SQLITE_")
"""How names begin that SQLite, its migrations and the tables of views take for themselves."""

_OWN = """
    ALERT ALERT_FIRING ALERT_RESOLVED ALERT_SERVICE ALERT_SPELL ALERT_SPELL_UNTIL ALERT_STARTED
    APP_MESSAGE_AT CONDITION_STATE COUNT_15M COUNT_15M_START COUNT_1M COUNT_1M_START
    CRASH CRASH_COUNT CRASH_COUNT_START CRASH_GROUP CRASH_GROUP_AT DEAD_LETTER
    DECISION DECISION_ALERT DECISION_AT DECISION_SERVICE DIGEST_CLAIM EPOCH FORGOTTEN GAP INSTANCE
    OUTBOX OUTBOX_CREATED OUTBOX_OPEN POSITION SERVICE SERVICE_TAG SQL_FEED_POSITION SQL_REVISION
    SQL_VIEW SQL_VIEW_NAME SQL_VIEW_POSITION SQL_VIEW_REMOVED SQL_VIEW_REMOVED_REVISION
    STATUS_CHANGE STATUS_CHANGE_AT
"""
OWN = frozenset(_OWN.split()) | frozenset(BUILT_IN)
"""The built-in streams, and what the database's schema names; a test holds them together."""


MAX_NAME = 100


def is_readable(name: str) -> bool:
    """Tell whether a name can be read, and can stand in a database."""
    return name.isprintable() and 0 < len(name) <= MAX_NAME


def check_name(name: Name) -> None:
    """Raise InvalidSql, with the name's place, where a name is taken for good."""
    if not is_readable(name.text):
        raise InvalidSql(f"a name has 1 to {MAX_NAME} characters that print", name.place)
    upper = name.text.upper()
    if upper in OWN:
        raise InvalidSql(f"{name} is one of pulsebot's own names; choose another", name.place)
    for prefix in PREFIXES:
        if upper.startswith(prefix):
            raise InvalidSql(
                f"names that begin with {prefix} are pulsebot's own; choose another than {name}",
                name.place,
            )
