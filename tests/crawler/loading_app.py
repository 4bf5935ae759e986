"""An app that forks while our thread is loading a library; prints which threads loaded what."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from crawler.sdk import Pulse

LIBRARY = "pulsebot.stream.local.writer"
reached = threading.Event()
loaders: dict[str, str] = {}


class Slow:
    """Finds nothing, but notes who looks for what, and holds up the loading of one library."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Note the thread; see `importlib.abc.MetaPathFinder`."""
        loaders.setdefault(name, threading.current_thread().name)
        if name == LIBRARY and not reached.is_set():
            reached.set()
            time.sleep(0.5)
        return None


sys.meta_path.insert(0, Slow())
pulse = Pulse("svc-a")
pulse.message("parent")
reached.wait()
child = os.fork()
pulse.message("child" if child == 0 else "parent again")
pulse.close(30)
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
for library in ("asyncio", "pydantic", "msgspec", "sqlite3", LIBRARY):
    print(library, loaders[library])  # noqa: T201 - the test reads these lines
