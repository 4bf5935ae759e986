"""Charts as inline SVG: shapes only. Colours and sizes are the style sheet's, by class.

Values in, markup out. Coordinates are in a small box that the page scales.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pulsebot.web.board import wording

SPARK_HEIGHT = 16
_STEP = 4
_MIN = 1
"""Height of the smallest count that is not 0: something happened."""


def spark(values: Sequence[int], label: str) -> Markup:
    """Return a row of bars as one path, scaled to the largest value; whole units only.

    So a count that grows by little often leaves the picture as it is.
    """
    top = max(values, default=0)
    width = _STEP * len(values)
    strokes = "".join(
        f"M{_STEP * i + 2} {SPARK_HEIGHT}v-{max(_MIN, round(value / top * SPARK_HEIGHT))}"
        for i, value in enumerate(values)
        if value
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img"'
        ' aria-label="{}">'
        '<path d="M0 {}h{}"/><path class="bars" d="{}"/></svg>'
    ).format(width, SPARK_HEIGHT, label, SPARK_HEIGHT, width, strokes)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it is of (`14:00`), its value, and whether its time has not ended."""

    label: str
    value: float
    running: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a timeline, as parts of its width between 0 and 1; `told` in words."""

    start: float
    end: float
    state: str
    told: str


_BAR_BOX = (600, 120)
_WIDEST = 44
_LANE_BOX = (1000, 24)
_LANE_HEIGHT = {"down": 24, "degraded": 16, "unknown": 4, "starting": 10, "stopped": 4, "up": 7}
"""The worse, the taller: a timeline is read without colours too."""


def bars(values: Sequence[Bar], label: str) -> Markup:
    """Return a bar chart, scaled to the largest value; each bar tells its number when touched."""
    width, height = _BAR_BOX
    top = max(1e-9, *(bar.value for bar in values), 0)
    step = width / max(1, len(values))
    wide = min(step * 0.8, _WIDEST)
    drawn = Markup("").join(
        Markup(
            '<g><title>{}: {}</title><rect class="room" x="{:.1f}" y="0" width="{:.1f}"'
            ' height="{}"/><rect class="bar{}" x="{:.1f}" y="{:.1f}" width="{:.1f}"'
            ' height="{:.1f}"/></g>'
        ).format(
            bar.label,
            wording.number(bar.value),
            i * step,
            step,
            height,
            " running" if bar.running else "",
            i * step + (step - wide) / 2,
            height - (size := max(2.0, bar.value / top * height) if bar.value > 0 else 0.0),
            wide,
            size,
        )
        for i, bar in enumerate(values)
    )
    return Markup(
        '<svg class="bars" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img"'
        ' aria-label="{}">{}</svg>'
    ).format(width, height, label, drawn)


def timeline(segments: Sequence[Segment], label: str) -> Markup:
    """Return one lane of states over time; the worse a state, the taller its stretch."""
    width, height = _LANE_BOX
    drawn = Markup("").join(
        Markup(
            '<rect class="t-{}" x="{:.1f}" y="{}" width="{:.1f}" height="{}">'
            "<title>{}</title></rect>"
        ).format(
            piece.state,
            piece.start * width,
            height - (size := _LANE_HEIGHT.get(piece.state, 4)),
            max(1.0, (piece.end - piece.start) * width),
            size,
            piece.told,
        )
        for piece in segments
    )
    return Markup(
        '<svg class="lane" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img"'
        ' aria-label="{}">{}</svg>'
    ).format(width, height, label, drawn)
