"""A disk that fills up under the bot, and has room again."""

import json
import resource
from pathlib import Path

from tests.fakes.slack import FakeSlack
from tests.faults.rig import Rig, event
from tests.faults.workload import RULES

SERVICES = 3000


async def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    """While nothing can be written `/readyz` says so; with room again nothing was lost."""
    async with FakeSlack() as slack, Rig(tmp_path, slack, RULES) as rig:
        await rig.start()
        await rig.ready()
        _limit_files(rig, _largest(rig) + 8192)
        await rig.append(
            *(_encoded("trigger", f"svc-{number}", {"count": 2}) for number in range(SERVICES)),
            _encoded("message", "svc-1", {"text": "hello"}),
        )
        await rig.until(lambda: "the database cannot be written" in rig.probe()[1])
        assert rig.probe()[0] == 503
        assert rig.probe("livez") == (200, "ok")
        assert rig.positions() == {}
        _limit_files(rig, resource.RLIM_INFINITY)
        await rig.ready()
        await rig.drained()
        rows = rig.rows("SELECT count(*), sum(count) FROM count_1m WHERE kind = 'trigger'")
        assert rows == [(SERVICES, 2 * SERVICES)]
        assert [message.shown.split("\n")[0] for message in slack.messages] == ["🔵 svc-1: hello"]
        assert rig.rows("SELECT * FROM dead_letter") == []
        assert await rig.terminate() == 0


def _limit_files(rig: Rig, size: int) -> None:
    """Let no file of the bot grow beyond a size from now on."""
    assert rig.process
    resource.prlimit(rig.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _largest(rig: Rig) -> int:
    return max(file.stat().st_size for file in rig.folder.glob("pulsebot.db*"))


def _encoded(kind: str, service: str, data: dict[str, object]) -> bytes:
    return json.dumps(event(kind, service, data)).encode()
