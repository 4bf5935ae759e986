"""Types of columns: what a value may be, in SQL, in Python and in a database."""

from enum import StrEnum


class Type(StrEnum):
    """The types of this dialect. ANY is what JSON holds: it fits everywhere, checked per value."""

    BOOLEAN = "BOOLEAN"
    BIGINT = "BIGINT"
    DOUBLE = "DOUBLE"
    STRING = "STRING"
    MAP = "MAP<STRING, STRING>"
    JSON = "JSON"
    ARRAY = "ARRAY"
    ANY = "ANY"

    @property
    def is_number(self) -> bool:
        """Whether values can be calculated with."""
        return self in {Type.BIGINT, Type.DOUBLE, Type.ANY}

    @property
    def column(self) -> str:
        """The type of a SQLite column that holds such values; none where it keeps each as is."""
        return _COLUMNS.get(self, "TEXT")


_COLUMNS = {Type.BOOLEAN: "INTEGER", Type.BIGINT: "INTEGER", Type.DOUBLE: "REAL", Type.ANY: ""}

SPELLINGS = {
    "BOOLEAN": Type.BOOLEAN,
    "BOOL": Type.BOOLEAN,
    "INT": Type.BIGINT,
    "INTEGER": Type.BIGINT,
    "BIGINT": Type.BIGINT,
    "LONG": Type.BIGINT,
    "DOUBLE": Type.DOUBLE,
    "FLOAT": Type.DOUBLE,
    "DECIMAL": Type.DOUBLE,
    "STRING": Type.STRING,
    "VARCHAR": Type.STRING,
    "TEXT": Type.STRING,
    "JSON": Type.JSON,
}
"""Names of types that a statement may use."""


def fits(given: Type, wanted: Type) -> bool:
    """Tell whether a value of one type can stand where another is wanted."""
    if Type.ANY in (given, wanted) or given is wanted:
        return True
    return (given, wanted) == (Type.BIGINT, Type.DOUBLE)


def common(types: list[Type]) -> Type | None:
    """Return the type that all of these fit, None where there is none."""
    known = [kind for kind in types if kind is not Type.ANY]
    if not known:
        return Type.ANY
    widest = Type.DOUBLE if Type.DOUBLE in known else known[0]
    return widest if all(fits(kind, widest) for kind in known) else None
