from collections.abc import Iterator
from pathlib import Path

import pytest

from pulsebot.store.database import Connection, connect, migrate


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """Give a migrated database file, opened for writing."""
    path = tmp_path / "pulsebot.db"
    opened = connect(path)
    migrate(opened, path)
    yield opened
    opened.close()
