"""The ground: the folder a demo lives in, and what lies ready in it before anything starts."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

import pulsebot
from pulsebot.errors import InvalidInput
from pulsebot.terminal.context import local_zone

PACKAGE = resources.files("pulsebot.demo")
ROOT = Path(pulsebot.__file__).parents[1]
"""Where the packages are imported from, for the processes that are started."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Paths of one demo and the address of its pages; a `temporary` folder goes with it."""

    folder: Path
    temporary: bool
    web: int

    @property
    def board(self) -> str:
        """Where the board is."""
        return f"http://127.0.0.1:{self.web}/"

    @property
    def crawler(self) -> Path:
        """Settings of everything that reports."""
        return self.folder / "crawler.yaml"

    @property
    def bot(self) -> Path:
        """Settings of the bot."""
        return self.folder / "pulsebot.yaml"

    @property
    def sent(self) -> Path:
        """What checkout says that it triggered: a line each, `EPOCH NAME`; `rest` at its end."""
        return self.folder / "checkout-sent.txt"

    def log(self, name: str) -> Path:
        """Return where a process's own output goes."""
        return self.folder / "logs" / f"{name}.log"


@contextmanager
def laid(folder: Path | None, port: int, web: int) -> Iterator[Ground]:
    """Lay everything ready in a new or empty folder, by default a temporary one.

    `port` is where payment's health page will be, `web` where the bot's pages will. A temporary
    folder is gone afterwards.
    Raises InvalidInput where the folder holds something.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(
            prefix="pulsebot-demo-", ignore_cleanup_errors=True
        ) as name:
            yield _filled(Ground(Path(name), temporary=True, web=web), port)
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} is not an empty folder; give a new one")
    yield _filled(Ground(folder.absolute(), temporary=False, web=web), port)


def _filled(ground: Ground, port: int) -> Ground:
    for name in ("acts", "logs"):
        (ground.folder / name).mkdir(parents=True)
    values = {
        "log": ground.folder / "pulsebot-log.db",
        "database": ground.folder / "pulsebot.db",
        "spool": ground.folder / "crawler-spool",
        "mailer": ground.folder / "mailer.log",
        "pid": ground.folder / "mailer.pid",
        "rules": _example("demo.yaml"),
        "views": _example("views.sql"),
        "zone": local_zone(),
        "port": port,
        "web": ground.web,
    }
    texts = {name: v if isinstance(v, int) else json.dumps(str(v)) for name, v in values.items()}
    for path in (ground.bot, ground.crawler):
        template = (PACKAGE / "scene" / path.name).read_text("utf-8")
        path.write_text(Template(template).substitute(texts), "utf-8")
    return ground


def _example(name: str) -> Path:
    """Return an example file: beside the packages in a checkout, in this one when installed."""
    installed = Path(str(PACKAGE / "rules")) / name
    return installed if installed.exists() else ROOT / "rules" / name
