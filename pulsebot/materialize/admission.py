"""Admission: whether a name of the catalog may come, be replaced, or go.

What other views read stays as it is under them. Whoever is turned away is told what to do.
"""

from pulsebot.materialize.definitions import definitions
from pulsebot.store import viewcatalog, viewtables
from pulsebot.store.database import Connection
from pulsebot.store.viewcatalog import Entry, Kind
from pulsebot.views.lookup import is_lookup
from pulsebot.views.naming import check_name
from pulsebot.views.place import InvalidSql
from pulsebot.views.statement import Create, Name


def kind_of(create: Create) -> Kind:
    """Return what a statement makes."""
    return "LOOKUP" if is_lookup(create) else create.kind


def may_come(connection: Connection, create: Create) -> Entry | None:
    """Raise InvalidSql where a name cannot be given; return what is there, to be replaced."""
    name = create.name
    check_name(name)
    _is_nothing_else(connection, name)
    if viewcatalog.find(connection, name.text, "building"):
        raise InvalidSql(f"{name} is being built; wait for it, or DROP it first", name.place)
    earlier = viewcatalog.find(connection, name.text)
    if earlier is None:
        return None
    if not create.replace or earlier.kind != kind_of(create):
        kind = _word(earlier)
        raise InvalidSql(
            f"{name} is there already; say CREATE OR REPLACE {kind}, or DROP it", name.place
        )
    if readers := _readers(connection, earlier):
        again = f"and after it create {_names(readers)} again: what is built, is from the log"
        raise InvalidSql(f"{_is_read(name, readers)} {again}", name.place)
    return earlier


def may_go(connection: Connection, name: Name, entry: Entry) -> None:
    """Raise InvalidSql where something reads an entry."""
    if readers := _readers(connection, entry):
        raise InvalidSql(_is_read(name, readers), name.place)


def _is_nothing_else(connection: Connection, name: Name) -> None:
    if viewtables.taken(connection, name.text):
        raise InvalidSql(
            f"{name} is already something else in the database file; choose another", name.place
        )
    if other := viewcatalog.twin(connection, name.text):
        raise InvalidSql(
            f"{name} and {other} differ in upper and lower case only; choose another", name.place
        )


def _readers(connection: Connection, entry: Entry) -> list[Entry]:
    """Return what reads an entry, also what is being built; nothing reads a table of its own."""
    if entry.kind == "TABLE":
        return []
    entries = viewcatalog.entries(connection)
    return definitions(e for e in entries if e.state != "broken").readers(entry.name)


def _is_read(name: Name, readers: list[Entry]) -> str:
    """Say by what, and the statements that end it: what reads goes before what it reads."""
    drops = dict.fromkeys(f"DROP {_word(e)} {_written(e.name)};" for e in reversed(readers))
    return f"{name} is read by {_names(readers)}; before this: {' '.join(drops)}"


def _names(entries: list[Entry]) -> str:
    return ", ".join(dict.fromkeys(entry.name for entry in entries))


def _word(entry: Entry) -> str:
    return "STREAM" if entry.kind == "STREAM" else "TABLE"


def _written(name: str) -> str:
    plain = name.isascii() and name.isidentifier() and name == name.upper()
    return name if plain else viewtables.quoted(name)
