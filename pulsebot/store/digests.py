"""Digest claims: which digest was made for which local date."""

from pulsebot.store.database import Connection


def claimed(connection: Connection, digest: str, local_date: str) -> bool:
    """Tell whether a digest was made for a date."""
    return (
        connection.execute(
            "SELECT 1 FROM digest_claim WHERE digest = ? AND local_date = ?", (digest, local_date)
        ).fetchone()
        is not None
    )


def claim(connection: Connection, digest: str, local_date: str, now_ms: int) -> bool:
    """Claim a digest for a date in the caller's transaction; return whether it was free."""
    return (
        connection.execute(
            "INSERT OR IGNORE INTO digest_claim VALUES (?, ?, ?)", (digest, local_date, now_ms)
        ).rowcount
        == 1
    )
