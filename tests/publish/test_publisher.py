"""Views in a real PostgreSQL: equal to ours, whatever happened on either side."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pulsebot import app
from pulsebot import event as events
from pulsebot.event import MessageData
from pulsebot.settings import Settings
from tests.fakes.world import NO_RULES
from tests.materialize.site import PER_DAY, bury, consumed, send
from tests.postgres.server import PostgresServer
from tests.publish.site import (
    DAY,
    asked,
    equal,
    local,
    once,
    publishing,
    remote,
    running,
    trigger,
    until,
)

WIDER = """CREATE OR REPLACE TABLE PER_DAY AS
SELECT SERVICE_ID, COUNT(*) AS TIMES, MAX(COUNT) AS MOST FROM SERVICE_TRIGGER
WINDOW TUMBLING (SIZE 1 DAY)
GROUP BY SERVICE_ID
"""


def lose(settings: Settings) -> None:
    """Remove a database, with all that SQLite keeps beside it."""
    for left in settings.database.parent.glob(f"{settings.database.name}*"):
        left.unlink()


def copied(settings: Settings) -> Path:
    """Return a copy of a database as it is now."""
    backup = settings.database.with_suffix(".backup")
    with closing(sqlite3.connect(settings.database)) as now, closing(sqlite3.connect(backup)) as to:
        now.backup(to)
    return backup


async def test_a_view_is_a_table_with_proper_types(postgres: str, tmp_path: Path) -> None:
    """Names answer without quotes, numbers are numbers, windows are moments."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a", 3, env="prod"), trigger("svc-b"), trigger("svc-a", day=1))
    await once(
        settings,
        PER_DAY,
        "CREATE TABLE ENVS AS SELECT TAGS['env'] AS ENV, COUNT(*) AS N, AVG(COUNT) AS MEAN,"
        " COUNT(*) > 2 AS MANY FROM SERVICE_TRIGGER GROUP BY TAGS['env']",
    )
    assert equal(settings, postgres)
    answered = asked(
        postgres,
        "SELECT sum(count), min(windowend - windowstart)::text FROM Per_Day"
        " WHERE service_id = 'svc-a' AND windowstart >= '2026-11-20Z'",
    )
    assert answered == [(4, "1 day")]
    types = asked(
        postgres,
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = 'envs' ORDER BY ordinal_position",
    )
    assert dict(types) == {
        "_row": "uuid", "env": "text", "n": "bigint", "mean": "double precision",
        "many": "boolean",
    }  # fmt: skip
    rows = asked(postgres, "SELECT env, n, many FROM envs ORDER BY env")
    assert rows == [("prod", 3, True), (None, 2, False)]


async def test_only_changes_are_written_by_the_next_run(postgres: str, tmp_path: Path) -> None:
    """It goes on where PostgreSQL says that it was: rows that did not change are not touched."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a"), trigger("svc-b"))
    await once(settings, PER_DAY)
    before = dict(asked(postgres, "SELECT service_id, xmin::text FROM per_day"))
    await send(settings, trigger("svc-b"), trigger("svc-c"))
    await once(settings)
    after = dict(asked(postgres, "SELECT service_id, xmin::text FROM per_day"))
    assert equal(settings, postgres)
    assert before["svc-a"] == after["svc-a"]
    assert before["svc-b"] != after["svc-b"]


async def test_rows_that_went_are_gone_over_there(postgres: str, tmp_path: Path) -> None:
    """Sessions that grow together, rows that HAVING no longer lets show, and retention."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a"), trigger("svc-a", day=2), trigger("svc-b"))
    await once(
        settings,
        "CREATE TABLE VISITS AS SELECT SERVICE_ID, COUNT(*) AS N FROM SERVICE_TRIGGER"
        " WINDOW SESSION (1 DAY) GROUP BY SERVICE_ID",
        "CREATE TABLE RARE AS SELECT SERVICE_ID, COUNT(*) AS N FROM SERVICE_TRIGGER"
        " GROUP BY SERVICE_ID HAVING COUNT(*) < 3",
        PER_DAY.replace("SIZE 1 DAY", "SIZE 1 DAY, RETENTION 30 DAYS"),
    )
    assert [len(remote(postgres, view)) for view in ("VISITS", "RARE", "PER_DAY")] == [3, 2, 3]
    await send(settings, trigger("svc-a", day=1))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        late_ms = round(DAY.timestamp() * 1000) + 400 * 86_400_000
        await opened.database.write(opened.pipeline.intake.views.expire, late_ms)
        assert opened.publisher
        await opened.publisher.run_to_end()
    visits = asked(postgres, "SELECT service_id, n FROM visits ORDER BY n")
    assert visits == [("svc-b", 1), ("svc-a", 3)]
    assert equal(settings, postgres, "RARE")
    assert remote(postgres, "PER_DAY") == local(settings, "PER_DAY") == []


async def test_rows_that_went_while_it_was_away_for_long(postgres: str, tmp_path: Path) -> None:
    """More of them than are remembered: the table is copied again, its grants stay."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a"), trigger("svc-b"))
    await once(settings, PER_DAY)
    asked(postgres, "GRANT SELECT ON per_day TO PUBLIC")
    async with app.opened(settings, NO_RULES) as opened:
        await opened.database.write(bury, "PER_DAY", "svc-a")
        assert len(remote(postgres, "PER_DAY")) == 2
        assert opened.publisher
        await opened.publisher.run_to_end()
    assert equal(settings, postgres)
    assert [row["service_id"] for row in remote(postgres, "PER_DAY")] == ["svc-b"]
    assert asked(postgres, "SELECT has_table_privilege('public', 'per_day', 'SELECT')") == [(True,)]


async def test_what_is_forgotten_under_a_publisher_is_copied(postgres: str, tmp_path: Path) -> None:
    """One that was connected all the time, but slow, notices as well."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a"), trigger("svc-b"))
    async with running(settings) as bot:
        await bot.desk.execute(PER_DAY)
        await until(lambda: equal(settings, postgres))
        await bot.database.write(bury, "PER_DAY", "svc-a")
        await until(lambda: len(remote(postgres, "PER_DAY")) == 1)
    assert equal(settings, postgres)


async def test_more_rows_than_a_batch(postgres: str, tmp_path: Path) -> None:
    """A copy of many batches is complete, and so is what changed in them since."""
    settings = publishing(tmp_path, postgres)
    services = [f"svc-{number}" for number in range(4_500)]
    await send(settings, *(trigger(service) for service in services))
    await once(settings, PER_DAY)
    assert equal(settings, postgres)
    await send(settings, *(trigger(service) for service in services[:4_200]))
    await once(settings)
    assert equal(settings, postgres)


async def test_postgres_set_back_goes_on_from_there(postgres: str, tmp_path: Path) -> None:
    """An older copy of the database says itself how far it is; an empty one gets everything."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a"), trigger("svc-b"))
    await once(settings, PER_DAY)
    name = urlsplit(postgres).path[1:]
    older, empty = (urlsplit(postgres)._replace(path=f"/{name}_{n}").geturl() for n in "ab")
    asked(elsewhere := urlsplit(postgres)._replace(path="/postgres").geturl(),
          f"CREATE DATABASE {name}_a TEMPLATE {name}")  # fmt: skip
    asked(elsewhere, f"CREATE DATABASE {name}_b")
    await send(settings, trigger("svc-a"), trigger("svc-c"))
    await once(settings)
    for url in (older, empty):
        await once(publishing(tmp_path, url))
        assert equal(settings, url)
    for letter in "ab":
        asked(elsewhere, f"DROP DATABASE {name}_{letter} WITH (FORCE)")


@pytest.mark.parametrize("restarts", [0, 2])
async def test_our_database_set_back_is_noticed(
    postgres: str, tmp_path: Path, restarts: int
) -> None:
    """Revisions that are given a second time, to other changes, are not taken for the first.

    As after a power cut, which takes the last transactions, and with a backup from before.
    """
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a"))
    await once(settings, PER_DAY)
    async with app.opened(settings, NO_RULES) as opened, opened.reader:
        assert opened.publisher
        backup = copied(settings)
        await opened.pipeline.start()
        for number in range(3):
            await send(settings, trigger(f"svc-{number}"))
            await opened.pipeline.run_to_end()
            await opened.publisher.run_to_end()
    for _ in range(restarts):
        await once(settings)
    lose(settings)
    shutil.copy(backup, settings.database)
    await send(settings, trigger("svc-a", 5), trigger("svc-0", 7))
    await once(settings)
    assert equal(settings, postgres)


async def test_a_database_that_is_lost_drops_nothing(postgres: str, tmp_path: Path) -> None:
    """The tables stay until views of their names are there again, and then become theirs."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a"))
    await once(settings, PER_DAY)
    lose(settings)
    await once(settings)
    assert len(remote(postgres, "PER_DAY")) == 1
    await send(settings, trigger("svc-a"))
    await once(settings, PER_DAY)
    assert equal(settings, postgres)


async def test_another_version_takes_the_table_over(postgres: str, tmp_path: Path) -> None:
    """Its columns change; grants, and other people's views of what stays, are kept."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a", 2), trigger("svc-b"))
    await once(settings, PER_DAY)
    asked(postgres, "GRANT SELECT ON per_day TO PUBLIC")
    asked(postgres, "CREATE VIEW theirs AS SELECT service_id, windowstart FROM per_day")
    await once(settings, WIDER)
    assert equal(settings, postgres)
    assert asked(postgres, "SELECT sum(times), max(most) FROM per_day") == [(3, 2)]
    assert asked(postgres, "SELECT count(*) FROM theirs") == [(2,)]
    assert asked(postgres, "SELECT has_table_privilege('public', 'per_day', 'SELECT')") == [(True,)]


async def test_a_column_that_somebody_uses_is_not_taken_away(postgres: str, tmp_path: Path) -> None:
    """The table stays as it was, and the state says what uses it."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a"))
    await once(settings, PER_DAY)
    asked(postgres, "CREATE VIEW theirs AS SELECT count FROM per_day")
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        await opened.desk.execute(WIDER)
        await opened.desk.builder.built()
        assert opened.publisher
        await opened.publisher.run_to_end()
        assert "view theirs depends on" in str(opened.publisher.health())
    assert asked(postgres, "SELECT count FROM theirs") == [(1,)]
    asked(postgres, "DROP VIEW theirs")
    await once(settings)
    assert equal(settings, postgres)


async def test_a_dropped_view_takes_its_table_along(postgres: str, tmp_path: Path) -> None:
    """And only its own."""
    settings = publishing(tmp_path, postgres)
    await send(settings, trigger("svc-a"))
    await once(settings, PER_DAY, PER_DAY.replace("PER_DAY", "OTHER"))
    await once(settings, "DROP TABLE PER_DAY")
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    assert asked(postgres, tables) == [("other",), ("pulsebot_progress",)]


async def test_a_table_of_somebody_else_is_left_alone(postgres: str, tmp_path: Path) -> None:
    """The view says so and is not published; the others are."""
    settings = publishing(tmp_path, postgres)
    asked(postgres, "CREATE TABLE per_day (ours text)")
    await send(settings, trigger("svc-a"))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        await opened.desk.execute(f"{PER_DAY}; {PER_DAY.replace('PER_DAY', 'OTHER')}")
        await opened.desk.builder.built()
        assert opened.publisher
        await opened.publisher.run_to_end()
        health = opened.publisher.health()
    assert isinstance(health, dict)
    assert health["OTHER"] == "ok"
    assert "called per_day in PostgreSQL that is not pulsebot's" in health["PER_DAY"]
    assert asked(postgres, "SELECT count(*) FROM per_day") == [(0,)]
    assert equal(settings, postgres, "OTHER")


async def test_only_the_views_of_the_list(postgres: str, tmp_path: Path) -> None:
    """Views that are not named are not published; a name that means nothing is told."""
    settings = publishing(tmp_path, postgres, views=("OTHER", "TYPO"))
    await send(settings, trigger("svc-a"))
    await once(settings, PER_DAY, PER_DAY.replace("PER_DAY", "OTHER"))
    assert equal(settings, postgres, "OTHER")
    assert asked(postgres, "SELECT to_regclass('per_day')") == [(None,)]
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        assert opened.publisher
        assert opened.publisher.health() == {
            "OTHER": "ok",
            "TYPO": "there is no such view, or it is still being built",
        }


async def test_a_frozen_postgres_holds_nothing_up(
    postgres_own: PostgresServer, tmp_path: Path
) -> None:
    """Events are counted while it does not answer, the bot can stop, and later all arrives."""
    with postgres_own.database() as url:
        settings = publishing(tmp_path, url)
        await send(settings, trigger("svc-a"))
        async with running(settings) as bot:
            await bot.desk.execute(PER_DAY)
            await until(lambda: equal(settings, url))
            postgres_own.freeze()
            await send(settings, trigger("svc-a"), trigger("svc-b"))
            await consumed(bot, 3)
            assert {r["service_id"]: r["count"] for r in local(settings, "PER_DAY")} == {
                "svc-a": 2,
                "svc-b": 1,
            }
        postgres_own.thaw()
        await once(settings)
        assert equal(settings, url)


async def test_hostile_names_and_values_are_only_text(postgres: str, tmp_path: Path) -> None:
    """Quotes, control characters, keys longer than an index takes, names longer than allowed."""
    settings = publishing(tmp_path, postgres)
    evil = "'; DROP TABLE x; --\\\t\n%s{}\"\\."
    texts = [evil, "N" * 9_000, "\\N", "\u202e\x7f", "n\x00l", " ", "ü" * 3_000]
    at = DAY.replace(hour=12)
    await send(settings, *(events.message("svc-a", at, MessageData(text=t)) for t in texts))
    await once(
        settings,
        'CREATE TABLE "x""; DROP TABLE y" AS SELECT TEXT AS "say ""%s"" {}", COUNT(*) AS XMIN,'
        " COUNT(*) AS A_NAME_THAT_IS_LONGER_THAN_THE_63_BYTES_THAT_POSTGRES_WOULD_TAKE"
        " FROM APP_MESSAGE GROUP BY TEXT",
    )
    found = remote(postgres, 'x"; DROP TABLE y')
    assert {row['say "%s" {}'] for row in found} == {t.replace("\x00", "\ufffd") for t in texts}
    assert {row["xmin_"] for row in found} == {1}


async def test_two_bots_do_not_fight_over_a_view(postgres: str, tmp_path: Path) -> None:
    """The second says that there is another; once that has stopped, it takes over."""
    first, second = (publishing(tmp_path / name, postgres) for name in ("first", "second"))
    for settings, count in ((first, 1), (second, 2)):
        settings.database.parent.mkdir()
        await send(settings, trigger("svc-a", count))
    async with running(first) as one:
        await one.desk.execute(PER_DAY)
        await until(lambda: equal(first, postgres))
        async with app.opened(second, NO_RULES) as other:
            await app.run_once(other)
            await other.desk.execute(PER_DAY)
            await other.desk.builder.built()
            assert other.publisher
            await other.publisher.run_to_end()
            assert "another pulsebot publishes PER_DAY" in str(other.publisher.health())
        assert equal(first, postgres)
    await once(second)
    assert equal(second, postgres)
