import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pulsebot import app
from pulsebot.app import App
from pulsebot.errors import InvalidConfig, InvalidInput
from pulsebot.settings import Settings
from pulsebot.stream.config import LocalStream, Topics
from tests.fakes.world import NO_RULES
from tests.materialize.site import consumed, running
from tests.materialize.test_walk import send, triggers
from tests.patience import PATIENCE_S

TEAMS = """
CREATE TABLE TEAMS (SERVICE_ID STRING PRIMARY KEY, TEAM STRING, TIER BIGINT)
WITH (FILE = 'teams.csv');
"""
BY_TEAM = """
CREATE TABLE BY_TEAM AS SELECT TEAM, COUNT(*) N FROM SERVICE_TRIGGER T
LEFT JOIN TEAMS ON T.SERVICE_ID = TEAMS.SERVICE_ID GROUP BY TEAM;
CREATE TABLE TOP_TIER AS SELECT T.SERVICE_ID, COUNT(*) N FROM SERVICE_TRIGGER T
JOIN TEAMS X ON X.SERVICE_ID = T.SERVICE_ID WHERE X.TIER = 1 GROUP BY T.SERVICE_ID;
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return an installation whose working folder holds a file of teams."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "teams.csv").write_text("service_id,team,tier\nsvc-a,core,1\nsvc-x,shop,2\n")
    stream = LocalStream(path=tmp_path / "log.db", topics=Topics(retention_days=36_500))
    return Settings(stream=stream, database=tmp_path / "bot.db", web=None)


async def rows(opened: App, query: str) -> list[tuple[Any, ...]]:
    """Return what a query answers, sorted."""
    [answer] = await opened.desk.execute(query)
    return sorted((tuple(row) for row in answer.rows), key=repr)


async def test_events_are_counted_by_what_a_file_knows_of_their_service(
    settings: Settings, tmp_path: Path
) -> None:
    """A left join keeps unknown services under NULL; an inner one leaves them out."""
    await send(settings, triggers(0, 3))
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        await opened.desk.execute(TEAMS + BY_TEAM)
        await opened.desk.builder.built()
        assert await rows(opened, "SELECT TEAM, N FROM BY_TEAM") == [("core", 6), (None, 3)]
        assert ("SERVICE_ID", "STRING", "key") in await rows(opened, "DESCRIBE TEAMS")
        with pytest.raises(InvalidInput, match="TEAMS is a lookup table, to JOIN a stream with"):
            await rows(opened, "SELECT * FROM TEAMS")
        assert await rows(opened, "SELECT * FROM TOP_TIER") == [("svc-a", 6)]
        (tmp_path / "teams.csv").write_text("service_id,team,tier\nsvc-b,ops,1\n")
        await opened.lookups.refresh()
        await send(settings, triggers(3, 1))
        await app.run_once(opened)
        assert await rows(opened, "SELECT TEAM, N FROM BY_TEAM") == [
            ("core", 6),
            ("ops", 1),
            (None, 7),
        ]


async def test_a_running_bot_takes_up_a_changed_file(settings: Settings, tmp_path: Path) -> None:
    """Nobody has to restart it; a fault meanwhile is logged once and changes nothing."""
    async with running(settings) as bot:
        await bot.desk.execute(TEAMS + BY_TEAM)
        await bot.desk.builder.built()
        with capture_logs() as logs:
            for content in ("no header", "service_id,team,tier\nsvc-a,shop,2\n"):
                seen = len(logs)
                (tmp_path / "teams.csv").write_text(content)
                async with asyncio.timeout(PATIENCE_S):
                    while len(logs) == seen:  # noqa: ASYNC110 - the scheduler gives no sign
                        await asyncio.sleep(0.05)
        await send(settings, triggers(0, 1))
        await consumed(bot, 2)
        assert await rows(bot, "SELECT TEAM, N FROM BY_TEAM") == [("shop", 1), (None, 1)]
    assert [line["event"] for line in logs] == [
        "a lookup file cannot be read; its earlier rows stay",
        "a lookup table has changed",
    ]


async def test_a_broken_file_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    """Its faults are logged, the earlier rows stay, and the table cannot go while it is read."""
    async with app.opened(settings, NO_RULES) as opened:
        await app.run_once(opened)
        await opened.desk.execute(TEAMS + BY_TEAM)
        await opened.desk.builder.built()
        (tmp_path / "teams.csv").write_text("service_id,team,tier\nsvc-a,core,first\n")
        await opened.lookups.refresh()
        await send(settings, triggers(0, 1))
        await app.run_once(opened)
        assert await rows(opened, "SELECT * FROM TOP_TIER") == [("svc-a", 1)]
        with pytest.raises(InvalidInput, match="TEAMS is read by BY_TEAM, TOP_TIER"):
            await opened.desk.execute("DROP TABLE TEAMS")
        await opened.desk.execute("DROP TABLE BY_TEAM; DROP TABLE TOP_TIER; DROP TABLE TEAMS")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("teams.csv", "service_id,team\na,b\n", "teams.csv:1: the header has no TIER"),
        ("teams.csv", "service_id,team,tier\na,b,x\n", "teams.csv:2: TIER: 'x' is no BIGINT"),
        ("teams.csv", "service_id,team,tier\n,b,1\n", "teams.csv:2: the key SERVICE_ID is missing"),
        ("teams.csv", "service_id,team,tier\na,b,1\na,c,1\n", "teams.csv:3: a is there twice"),
        ("teams.yaml", "a: {team: core, teir: 1}\n", "teams.yaml:1: a: .*TEIR; did you mean TIER"),
        ("teams.yaml", "a: {team: &x core}\n", "teams.yaml:1"),
        ("other/../../teams.csv", "", "must lie in the folder"),
    ],
)
async def test_faults_of_a_file_are_named_with_their_line(
    settings: Settings, tmp_path: Path, name: str, content: str, said: str
) -> None:
    """File, line, what is wrong, and the nearest name."""
    if ".." not in name:
        (tmp_path / name).write_text(content)
    async with app.opened(settings, NO_RULES) as opened:
        with pytest.raises(InvalidConfig, match=said):
            await opened.desk.execute(TEAMS.replace("teams.csv", name))


async def test_only_lookups_are_joined_and_by_their_key(settings: Settings) -> None:
    """Two streams, another column, no ON: each refused in words."""
    async with app.opened(settings, NO_RULES) as opened:
        await opened.desk.execute(TEAMS)
        for join, said in (
            ("JOIN SERVICE_CRASH C ON C.SERVICE_ID = T.SERVICE_ID", "is a stream; only lookup"),
            ("JOIN TEAMS ON T.NAME = TEAMS.TEAM", "a lookup is joined by its key"),
            ("RIGHT JOIN TEAMS ON T.NAME = TEAMS.SERVICE_ID", "only JOIN and LEFT JOIN"),
            ("JOIN TEAMS", "a lookup is joined by its key"),
        ):
            statement = f"CREATE TABLE X AS SELECT COUNT(*) FROM SERVICE_TRIGGER T {join}"  # noqa: S608 - no database
            with pytest.raises(InvalidInput, match=said):
                await opened.desk.execute(statement)
