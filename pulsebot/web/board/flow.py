"""The page of the pipeline: how records come in, how messages go out, and what was refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from pulsebot.phrases import length
from pulsebot.store import deadletters, outbox
from pulsebot.store.database import Connection
from pulsebot.stream.base import Partition
from pulsebot.web.board import charts, health, rendering, wording
from pulsebot.web.board.base import Picture, Scene
from pulsebot.web.board.vitals import Vitals

LETTERS = 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """One receiver: what waits, since when, and what this process has sent and given up."""

    receiver: str
    count: int
    oldest: str
    sent: int
    failed: int
    paused: str


class Flow:
    """Draws the vitals, and what waits in the store."""

    def draw(self, connection: Connection, scene: Scene) -> Picture:
        """Return the figures, a row for each partition, and two sections."""
        vitals = scene.vitals
        depth = outbox.depth(connection)
        dead = deadletters.count(connection)
        values = {
            "zone": scene.roster.zone,
            "spans": scene.roster.spans,
            "waiting": list(_waiting(vitals, depth)),
            "letters": deadletters.newest(connection, LETTERS),
        }
        drawn = {
            **health.cells(scene),
            **_figures(scene, sum(count for count, _ in depth.values()), dead),
            **_partitions(vitals),
            "outbox": Markup(rendering.render("pipeline/outbox.html", values)),  # noqa: S704 - our own template, which escapes
            "letters": Markup(rendering.render("pipeline/letters.html", values)),  # noqa: S704 - same
        }
        return Picture(drawn, frozenset(vitals.ends))


def _figures(scene: Scene, waiting: int, dead: int) -> dict[str, str]:
    vitals, series = scene.vitals, scene.rates.series()
    rate = scene.rates.now()
    return {
        "f-rate": "–" if rate is None else _rate(rate),
        "f-spark": charts.spark(series, f"records a second of the last {len(series)} samples"),
        "f-lag": wording.number(vitals.lag),
        "f-outbox": wording.number(waiting),
        "f-dead": wording.number(dead),
        "f-records": wording.number(vitals.records),
        "f-events": wording.number(vitals.events),
        "f-duplicates": wording.number(vitals.duplicates),
        "f-clamped": wording.number(vitals.clamped),
        "f-batches": wording.number(vitals.batches),
    }


def _rate(rate: float) -> str:
    """Return a rate with a tenth where it is small but not nothing."""
    return f"{rate:.1f}" if 0 < rate < 10 else f"{rate:,.0f}"  # noqa: PLR2004 - two digits are enough


def _partitions(vitals: Vitals) -> dict[str, str]:
    cells: dict[str, str] = {}
    for partition in _known(vitals):
        at, end = vitals.positions.get(partition, 0), vitals.ends.get(partition)
        end = end and max(at, end)  # the end is of the last tick, we may be past it
        key = row_key(partition)
        cells[f"{key}-name"] = Markup("<bdi>{}</bdi>").format(partition.topic)
        cells[f"{key}-part"] = str(partition.partition)
        cells[f"{key}-at"] = wording.number(at)
        cells[f"{key}-end"] = "–" if end is None else wording.number(end)
        cells[f"{key}-lag"] = "–" if end is None else _lag(max(0, end - at))
    return cells


def _lag(behind: int) -> str:
    return Markup('<b class="bad">{}</b>').format(wording.number(behind)) if behind else "0"


def _known(vitals: Vitals) -> list[Partition]:
    return sorted(vitals.positions.keys() | vitals.ends.keys())


def row_key(partition: Partition) -> str:
    """Return a stable id of a partition, fit for an HTML id."""
    return f"{wording.key(partition.topic)}p{partition.partition}"


def rows(cells: Mapping[str, str]) -> Iterable[str]:
    """Return the keys of the partitions that cells were drawn for, in their order."""
    return [name.removesuffix("-end") for name in cells if name.endswith("-end")]


def _waiting(vitals: Vitals, depth: Mapping[str, tuple[int, int]]) -> Iterable[Waiting]:
    names = depth.keys() | vitals.sent.keys() | vitals.failed.keys() | vitals.paused.keys()
    for name in sorted(names):
        count, oldest_ms = depth.get(name, (0, vitals.at_ms))
        yield Waiting(
            name,
            count,
            length(max(0, vitals.at_ms - oldest_ms)) if count else "–",
            vitals.sent.get(name, 0),
            vitals.failed.get(name, 0),
            vitals.paused.get(name, ""),
        )
