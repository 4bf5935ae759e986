"""Epochs: each process that publishes views begins one, at the revision that it found.

So whoever copied views up to a revision of some epoch can tell whether that is still a part of
this file's past. It is not after an older copy of the file was put in its place, nor after a
power cut that took the last transactions: their revisions are given again, to other changes.
"""

from pulsebot.store import viewcatalog
from pulsebot.store.database import Connection

KEPT = 1_000
"""Epochs that are remembered; a copy from before them is made anew."""


def begin(connection: Connection, token: str) -> None:
    """Begin an epoch with the revisions after the present one; `token` must be a new one."""
    connection.execute(
        "INSERT INTO epoch (token, revision) VALUES (?, ?)",
        (token, viewcatalog.revision(connection)),
    )
    connection.execute("DELETE FROM epoch WHERE id <= (SELECT max(id) FROM epoch) - ?", (KEPT,))


def continues(connection: Connection, token: str, revision: int) -> bool:
    """Tell whether what was read at a revision of an epoch is a part of this file's past."""
    found = connection.execute("SELECT id FROM epoch WHERE token = ?", (token,)).fetchone()
    if found is None:
        return False
    ended = connection.execute(
        "SELECT revision FROM epoch WHERE id > ? ORDER BY id LIMIT 1", found
    ).fetchone()
    return revision <= (int(ended[0]) if ended else viewcatalog.revision(connection))
