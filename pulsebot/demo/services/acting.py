"""What the little services have in common: their acts in order, and an end with the demo.

The number of acts done is kept in a file, so that a service that crashed goes on with the
next one. This module must not know what any act is.
"""

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

from pulsebot.demo.timetable import SCENES, SceneName

TICK_S = 0.25


class Acting:
    """The part that one service plays in a scene, kept in `folder`/acts."""

    def __init__(self, service: str, folder: Path, scene: SceneName) -> None:
        self.folder = folder
        self._service = service
        self._scene = SCENES[scene]
        self._kept = folder / "acts" / service
        self._parent = os.getppid()
        self._began, self._done = self._read()

    def due(self) -> str | None:
        """Return the act whose time has come, once; late ones come one by one."""
        act = self._scene.act(self._service, self._done)
        if act is None or time.time() < self._began + act[0]:
            return None
        self._done += 1
        self._write()
        return act[1]

    def ticks(self) -> Iterator[str | None]:
        """Yield every 0.25 s, with the act that is due; end when the parent process has gone."""
        while os.getppid() == self._parent:
            yield self.due()
            time.sleep(TICK_S)

    def _read(self) -> tuple[float, int]:
        with contextlib.suppress(OSError):
            began, done = self._kept.read_text("ascii").split()
            return float(began), int(done)
        self._began, self._done = time.time(), 0
        self._write()
        return self._began, self._done

    def _write(self) -> None:
        self._kept.write_text(f"{self._began} {self._done}\n", "ascii")


def enter(service: str) -> Acting:
    """Begin a service from its command line (`FOLDER SCENE`); SIGTERM ends it in good order."""
    folder, scene = sys.argv[1:3]
    if scene not in get_args(SceneName):
        sys.exit(f"{scene}: no such scene; there is {', '.join(get_args(SceneName))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # crashes are wanted, core files are not
    return Acting(service, Path(folder), cast("SceneName", scene))
