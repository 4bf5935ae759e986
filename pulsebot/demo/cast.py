"""The cast: which processes a demo starts, and how each is described to a newcomer."""

import sys
from dataclasses import dataclass
from pathlib import Path

PYTHON = (sys.executable, "-m")
SERVICES = Path(__file__).parent / "services"


@dataclass(frozen=True, slots=True)
class Service:
    """One little service: what it is, how pulsebot hears of it, what becomes of it."""

    name: str
    does: str
    heard: str
    fate: str
    wrapped: bool = False


CAST = (
    Service("checkout", "takes orders", "the SDK within it", "uncaught exceptions"),
    Service("payment", "has a health page", "asking the page", "slow, or 503"),
    Service("mailer", "writes a log file", "reading the file", "Java stack traces"),
    Service("inventory", "counts things", "crawler exec around it", "deadly signals", wrapped=True),
)


def commands(folder: Path, scene: str, descriptor: int) -> dict[str, tuple[str, ...]]:
    """Return the command of every process; `descriptor` is payment's listening socket."""
    config = str(folder / "crawler.yaml")
    found: dict[str, tuple[str, ...]] = {"crawler": (*PYTHON, "crawler", "run", "--config", config)}
    for service in CAST:
        # By its path, not by -m: the stack of a crash then shows the service's own frames only.
        program = str(SERVICES / f"{service.name}.py")
        wrapper = _wrapper(service, config) if service.wrapped else ()
        own = (sys.executable, program, str(folder), scene, str(descriptor))
        found[service.name] = (*wrapper, *own)
    return found


def _wrapper(service: Service, config: str) -> tuple[str, ...]:
    name, instance = service.name, f"{service.name}-1"
    told = ("--service", name, "--instance", instance, "--config", config)
    return (*PYTHON, "crawler", "exec", *told, "--")
