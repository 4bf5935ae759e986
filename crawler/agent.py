"""The agent: runs all probes of a settings file, and publishes what they find.

A probe that fails is reported, and started again after a pause; the others do not notice.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path

from pydantic import ValidationInfo, field_validator

from crawler.origin import Origin, moment
from crawler.outlet import Outlet, open_outlet
from crawler.probes.base import Place, Report
from crawler.probes.table import PROBES, ProbeSettings
from crawler.settings import FILE, Settings, load
from pulsebot.errors import StoreError
from pulsebot.event import Event
from pulsebot.phrases import plural

log = logging.getLogger(__name__)

HEARTBEAT_S = 30.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class AgentSettings(Settings):
    """Everything that `crawler.yaml` may say, the probes checked as well."""

    probes: tuple[ProbeSettings, ...] = ()

    @field_validator("probes")
    @classmethod
    def _named_and_distinct(
        cls, probes: tuple[ProbeSettings, ...], info: ValidationInfo
    ) -> tuple[ProbeSettings, ...]:
        default = info.data.get("service")
        seen = set()
        for probe in probes:
            service = probe.service or default
            if service is None:
                raise ValueError(
                    f"{probe.watched()} needs a `service`, its own or one at the top of the file"
                )
            if (service, probe.watched()) in seen:
                raise ValueError(f"{probe.watched()} is listed twice for {service}")
            seen.add((service, probe.watched()))
        return probes


def load_agent(config: Path | None) -> AgentSettings:
    """Return the agent's settings. Raises InvalidConfig with every problem."""
    return load(AgentSettings, config)


async def run(settings: AgentSettings, config: Path | None = None) -> None:
    """Watch until SIGTERM, SIGINT or a closed terminal, then end within 10 s.

    Raises StoreError where another agent with the same settings file is running.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = _ending()
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        async with open_outlet(settings, f"agent-{(config or FILE).stem}") as outlet:
            await _watch_all(settings, outlet, stop)
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _ending() -> tuple[signal.Signals, ...]:
    """Return the signals that end us; a closed terminal does not where `nohup` started us."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return (signal.SIGTERM, signal.SIGINT)
    return (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


async def _watch_all(settings: AgentSettings, outlet: Outlet, stop: asyncio.Event) -> None:
    me = Origin(settings.report_as or "crawler", settings.instance, settings.tags)
    if settings.probes:
        log.info("watching %s", plural(len(settings.probes), "probe"))
    else:
        log.warning("nothing is watched: list `probes` in %s", FILE)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_watch(probe, settings, outlet, me)) for probe in settings.probes
        ]
        if settings.report_as is not None:
            tasks.append(group.create_task(_heartbeat(settings, outlet, me)))
        await stop.wait()
        log.info("stopping")
        for task in tasks:
            task.cancel()
    if settings.report_as is not None:
        _put(outlet, [me.status(moment(time.time()), "stopped", reason="asked to stop")])


async def _watch(
    section: ProbeSettings, settings: AgentSettings, outlet: Outlet, me: Origin
) -> None:
    pause = FIRST_PAUSE_S
    while True:
        started = time.monotonic()
        try:
            await _follow(section, settings, outlet)
        except Exception as error:  # whatever a probe runs into must not stop the others
            if time.monotonic() - started > LONGEST_PAUSE_S:
                pause = FIRST_PAUSE_S
            log.exception("%s failed, again in %.0f s", section.watched(), pause)
            if pause == FIRST_PAUSE_S:
                text = f"the probe {section.watched()} failed: {type(error).__name__}: {error}"
                _put(outlet, [me.message(moment(time.time()), text, level="warning")])
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)


async def _follow(section: ProbeSettings, settings: AgentSettings, outlet: Outlet) -> None:
    name = f"{section.watched()} of {section.service or settings.service}"
    place = Place(settings.service, settings.instance, settings.tags, outlet.mark(name))
    async with aclosing(PROBES[section.type](section, place).probe()) as reports:
        async for report in reports:
            if report.mark is not None:
                # A log waits in its file. The end of a process is seen once, and waits nowhere.
                await outlet.room()
            await _keep(report, name, outlet)


async def _keep(report: Report, name: str, outlet: Outlet) -> None:
    """Store a report, again and again while the disk is full: it will not be seen again."""
    pause = FIRST_PAUSE_S
    while True:
        try:
            return outlet.put(report.events, {name: report.mark} if report.mark else None)
        except StoreError as error:
            log.warning("what %s reports waits, again in %.0f s: %s", name, pause, error)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)


async def _heartbeat(settings: AgentSettings, outlet: Outlet, me: Origin) -> None:
    while True:
        watched = plural(len(settings.probes), "probe")
        reason = f"{watched}, {plural(outlet.pending, 'event')} not in the stream yet"
        _put(outlet, [me.status(moment(time.time()), "up", reason=reason)])
        await asyncio.sleep(HEARTBEAT_S)


def _put(outlet: Outlet, events: Iterable[Event]) -> None:
    try:
        outlet.put(events)
    except StoreError as error:
        log.warning("an event about the crawler itself is lost: %s", error)
