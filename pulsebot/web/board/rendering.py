"""Templates: one environment, everything escaped."""

from collections.abc import Mapping
from functools import cache
from hashlib import blake2s
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from pulsebot.phrases import ago, plural, size
from pulsebot.web.board import charts, overview, wording

_STATIC = resources.files("pulsebot.web.board") / "static"


def render(template: str, values: Mapping[str, object]) -> str:
    """Return a page; any thread."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("pulsebot.web.board", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(static=static, key=wording.key, address=wording.address)
    made.filters.update(
        ago=ago,
        bars=lambda chart: charts.bars(chart.bars, chart.told),
        key=wording.key,
        link=wording.link,
        number=wording.number,
        short=wording.short,
        size=size,
        state=wording.state,
        timeline=lambda lane: charts.timeline(lane.segments, f"{lane.instance}: now {lane.state}"),
        clock=wording.clock,
        second=wording.second,
        visible=wording.visible,
        windows=wording.windows,
        zone=wording.zone_name,
        plural=plural,
        searched=overview.searched,
    )
    return made


@cache
def static(name: str) -> str:
    """Return the address of a static file, which changes with its content."""
    digest = blake2s((_STATIC / name).read_bytes(), digest_size=6).hexdigest()
    return f"/static/{name}?{digest}"
