from pathlib import Path

import pytest

from pulsebot.store import viewtables
from pulsebot.store.database import connect, migrate
from pulsebot.views.naming import check_name
from pulsebot.views.place import InvalidSql, Place
from pulsebot.views.statement import Name


def test_all_names_of_the_schema_are_refused_to_views(tmp_path: Path) -> None:
    """Tables and indexes, those of every migration; a view of such a name could not be made."""
    connection = connect(tmp_path / "a.db")
    migrate(connection, tmp_path / "a.db")
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema")]
    assert "outbox_open" in names
    for name in names:
        assert viewtables.taken(connection, name.upper())
        with pytest.raises(InvalidSql, match=r"line 1, column 14: .*pulsebot's own"):
            check_name(Name(name, Place(1, 14)))
    connection.execute("CREATE TABLE theirs (a)")
    assert viewtables.taken(connection, "THEIRS")
    assert not viewtables.taken(connection, "PER_DAY")
    connection.close()
