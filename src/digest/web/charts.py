"""Charts: from numbers to SVG, drawn on the server, without a script or a style of their own.

A chart is as wide as its place. Across, everything is in percent; down, and for letters, in pixels: so the letters have
their size on a phone as on a desk, where a picture that is scaled would have letters of five pixels. What fills is told
apart by its pattern too, and lines by their dashes, for those who see no colours and for paper. `role="img"` with title
and description is for those who hear a page; every figure stands in the table beside.

The classes are those of templates/site/static/site.css.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from digest.numbers import counted, on_scale, percent, short

Values = Sequence[float | None]
Write = Callable[[float], str]

_TOP, _FOOT = 22.0, 26.0
"""Pixels above the plot for the scale's topmost word, and below it for the slots' words."""

_ON_SCALE: dict[Write, Write] = {counted: short, percent: on_scale}
"""How round values are written at the side, by how the others are."""

_EDGE = 0.07
"""A word nearer to the edge than this share of the width would stick out: it begins or ends at its slot instead."""


@dataclass(frozen=True)
class Chart:
    """What a chart is about.

    Args:
        name: its id on the page, in ASCII letters, digits and hyphens.
        title: what it shows, for those who hear it.
        says: the sentence that somebody who sees it would take away.
        slots: what each place across is called when pointed at, such as ``Thu 26 Nov, 10:00``.
        marks: what stands under some of them, by their numbers.
        height: pixels of the plot, without what stands above and below.
    """

    name: str
    title: str
    says: str
    slots: Sequence[str]
    marks: dict[int, str]
    height: int = 180


@dataclass(frozen=True)
class Series:
    """What is drawn in one way: its name, and a value for each slot; None is one that is not known."""

    name: str
    values: Values


def columns(chart: Chart, *series: Series, below: Series | None = None, write: Write = counted) -> Markup:
    """Draw columns, series upon series; those of `below` go down from the line."""
    up = [sum(one.values[slot] or 0 for one in series) for slot in range(len(chart.slots))]
    down = [value or 0 for value in below.values] if below else []
    steps = scale(max(up, default=0), max(down, default=0))
    plot = _Plot(chart, steps)
    drawn = [plot.grid(write)]
    for slot in range(len(chart.slots)):
        parts, level = [], 0.0
        for look, one in enumerate(series):
            value = one.values[slot] or 0
            parts.append(plot.block(slot, level, level + value, look, len(series)))
            level += value
        if below:
            parts.append(plot.block(slot, -down[slot], 0, len(series), len(series) + 1))
        told = [*series, below] if below else series
        drawn.append(plot.slot(slot, told, write, Markup("").join(parts)))
    if not below and up and max(up) > 0:
        drawn.append(plot.peak(up, write))
    return plot.whole(drawn)


def lines(chart: Chart, *series: Series, write: Write = counted, most: float = 0) -> Markup:
    """Draw lines from 0 up to `most` or beyond; a value that is not known leaves a gap."""
    known = [value for one in series for value in one.values if value is not None]
    plot = _Plot(chart, scale(max([most, *known]), lines=2 if chart.height < 120 else 4))
    drawn = [plot.grid(write)]
    drawn += [plot.line(one.values, look) for look, one in enumerate(series)]
    for slot in range(len(chart.slots)):
        dots = [
            plot.dot(slot, value, look, shown=_stands_alone(one.values, slot))
            for look, one in enumerate(series)
            if (value := one.values[slot]) is not None
        ]
        drawn.append(plot.slot(slot, series, write, Markup("").join(dots)))
    return plot.whole(drawn)


def bars(chart: Chart, *series: Series, whole: float, written: Sequence[str]) -> Markup:
    """Draw bars from side to side, a slot a bar, its parts one after the other; `written` stands at the end of each.

    `whole` is what would fill the width. What a slot is called stands above its bar.
    """
    pitch, drawn = 50, []
    for slot, name in enumerate(chart.slots):
        y, level, parts = slot * pitch, 0.0, []
        for look, one in enumerate(series):
            share = max(0.0, (one.values[slot] or 0) / whole) if whole else 0
            share = min(share, 1 - level)
            parts.append(_bar(level, share, y + 22, look, chart.name))
            level += share
        told = [f"{name}: {written[slot]}"]
        if len(series) > 1:
            told += [f"{one.name}: {counted(one.values[slot] or 0)}" for one in series if one.values[slot]]
        drawn.append(
            Markup(
                '<g class="slot"><title>{}</title><text class="name" y="{y}">{}</text>'
                '<text class="value" x="100%" y="{y}" text-anchor="end">{}</text>'
                '<rect class="rest" y="{}" width="100%" height="14"/>{}</g>'
            ).format("\n".join(told), name, written[slot], y + 22, Markup("").join(parts), y=y + 15)
        )
    return _framed(chart, len(chart.slots) * pitch - 12, Markup("").join(drawn))


def legend(*names: str, kind: str = "fill") -> Markup:
    """Name the series, in the order they are drawn in; `kind` is fill or line."""
    drawn = Markup("").join(
        Markup('<li><svg class="swatch" viewBox="0 0 20 12" width="20" height="12" aria-hidden="true">{}</svg> {}</li>')
        .format(_swatch(look, kind), name)
        for look, name in enumerate(names)
    )  # fmt: skip
    return Markup('<ul class="legend">{}</ul>').format(drawn)


def spark(values: Values) -> Markup:
    """Draw a line as small as a word, beside figures that say the same: nobody hears of it."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    # Its foot is not 0, or most rates would be straight lines: it shows the way, the figure beside it the height.
    low, high = min(known), max(known)
    room = (high - low) or high or 1
    plot = _Plot(Chart("", "", "", [""] * len(values), {}, 24), [low - room / 2, high + room / 4], top=3)
    last = max(slot for slot, value in enumerate(values) if value is not None)
    drawn = plot.line(values, 0) + plot.dot(last, known[-1], 0, shown=True)
    return Markup('<svg class="spark" height="30" aria-hidden="true" focusable="false">{}</svg>').format(drawn)


def meter(name: str, says: str, share: float | None, limits: Sequence[tuple[float, str]]) -> Markup:
    """Draw a share on a scale that has limits on it, each with its word."""
    top = max(at for at, _ in limits)
    # What is far beyond all limits fills the scale, else their words would be on top of each other.
    end = min(max(share or 0, top) * 1.25, top * 2)
    drawn = [Markup('<rect class="rest" y="4" width="100%" height="14"/>')]
    if share:
        drawn.append(Markup('<rect class="s0" y="4" width="{}" height="14"/>').format(_percent(min(1, share / end))))
    for at, word in limits:
        x = _percent(at / end)
        line = Markup('<line class="{1}" x1="{0}" x2="{0}" y1="0" y2="24"/>')
        drawn += [line.format(x, kind) for kind in ("limit-ground", "limit")]
        drawn.append(Markup('<text class="mark" x="{}" y="40" text-anchor="middle">{}</text>').format(x, word))
    return Markup(
        '<svg class="chart meter" role="img" height="46" aria-labelledby="{0}-t"><title id="{0}-t">{1}</title>{2}</svg>'
    ).format(name, says, Markup("").join(drawn))


def scale(above: float, below: float = 0, *, lines: int = 4) -> list[float]:
    """Give the round values from `-below` or less to `above` or more at which a chart has its lines, 0 among them."""
    whole = above + below
    if whole <= 0:
        return [0, 1]
    exact = whole / lines
    power = 10.0 ** math.floor(math.log10(exact))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= exact * (1 - 1e-9))
    if whole >= lines and step != int(step):
        step = float(math.ceil(step))
    first, last = -math.ceil(below / step - 1e-9), math.ceil(above / step - 1e-9)
    return [round(step * number, 12) for number in range(first, max(last, 1) + 1)]


def thinned(labels: dict[int, str], count: int, most: int) -> dict[int, str]:
    """Leave so many of the marks of `count` slots that at most `most` stay, evenly apart."""
    every = -(-len(labels) // most) if labels else 1
    return {slot: label for number, (slot, label) in enumerate(sorted(labels.items())) if number % every == 0}


class _Plot:
    """The room of a chart: turns slots and values into places."""

    def __init__(self, chart: Chart, steps: Sequence[float], *, top: float = _TOP) -> None:
        self._chart, self._steps, self._top = chart, steps, top
        self._low, self._high = steps[0], steps[-1]
        self._count = max(1, len(chart.slots))

    def x(self, slot: float) -> str:
        return _percent(slot / self._count)

    def y(self, value: float) -> float:
        share = (self._high - value) / (self._high - self._low)
        return round(self._top + share * self._chart.height, 1)

    def grid(self, write: Write) -> Markup:
        drawn = []
        for value in self._steps:
            y = self.y(value)
            kind = "zero" if value == 0 else "grid"
            drawn.append(Markup('<line class="{0}" x2="100%" y1="{1}" y2="{1}"/>').format(kind, y))
            word = _ON_SCALE.get(write, write)(abs(value))
            drawn.append(Markup('<text class="step" dx="-8" y="{}" text-anchor="end">{}</text>').format(y + 4, word))
        foot = self._top + self._chart.height + 20
        few = thinned(self._chart.marks, self._count, 4)
        for slot, word in thinned(self._chart.marks, self._count, 9).items():
            x, anchor = self._anchored(slot)
            kind = "mark" if slot in few else "mark more"
            drawn.append(
                Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(kind, x, foot, anchor, word)
            )
        return Markup("").join(drawn)

    def block(self, slot: int, low: float, high: float, look: int, looks: int) -> Markup:
        if high <= low:
            return Markup("")
        gap = 0.14 if self._count < 100 else 0.05
        top, foot = self.y(high), self.y(low)
        return Markup('<rect class="s{}" x="{}" y="{}" width="{}" height="{}"{}/>').format(
            look,
            self.x(slot + gap),
            top,
            _percent((1 - 2 * gap) / self._count),
            # What is there is seen, be it one of a million.
            max(1.0, round(foot - top, 1)),
            Markup(' fill="url(#{}-hatch)"').format(self._chart.name) if look == 1 and looks > 1 else "",
        )

    def line(self, values: Values, look: int) -> Markup:
        height = self._top + self._chart.height + 4
        runs: list[list[str]] = [[]]
        for slot, value in enumerate(values):
            if value is None:
                runs.append([])
            else:
                runs[-1].append(f"{round(100 * (slot + 0.5) / self._count, 3):g},{self.y(value):g}")
        drawn = Markup("").join(
            Markup('<polyline class="l{}" points="{}"/>').format(look, " ".join(run)) for run in runs if len(run) > 1
        )
        return Markup(
            '<svg width="100%" height="{0}" viewBox="0 0 100 {0}" preserveAspectRatio="none">{1}</svg>'
        ).format(f"{height:g}", drawn)

    def dot(self, slot: int, value: float, look: int, *, shown: bool) -> Markup:
        """Give a point of a line; where there are many only those are always seen of which `shown` says so."""
        return Markup('<circle class="d{}{}" cx="{}" cy="{}" r="3.5"/>').format(
            look, "" if shown or self._count <= 20 else " passing", self.x(slot + 0.5), self.y(value)
        )

    def peak(self, values: Sequence[float], write: Write) -> Markup:
        slot = max(range(len(values)), key=values.__getitem__)
        x, anchor = self._anchored(slot)
        y = self.y(values[slot]) - 6
        return Markup('<text class="value" x="{}" y="{}" text-anchor="{}">{}</text>').format(
            x, y, anchor, write(values[slot])
        )

    def slot(self, slot: int, series: Iterable[Series | None], write: Write, drawn: Markup) -> Markup:
        """Give what stands in a slot, with a ground to point at: the browser shows the title."""
        told = [self._chart.slots[slot]]
        for one in series:
            if one is not None:
                value = one.values[slot]
                told.append(f"{one.name}: {'not known' if value is None else write(value)}")
        ground = Markup('<rect class="ground" x="{}" y="{}" width="{}" height="{}"/>').format(
            self.x(slot), self._top, _percent(1 / self._count), self._chart.height
        )
        return Markup('<g class="slot"><title>{}</title>{}{}</g>').format("\n".join(told), ground, drawn)

    def whole(self, drawn: Iterable[Markup]) -> Markup:
        svg = _framed(self._chart, self._top + self._chart.height + _FOOT, Markup("").join(drawn))
        return Markup('<div class="room">{}</div>').format(svg)

    def _anchored(self, slot: int) -> tuple[str, str]:
        middle = (slot + 0.5) / self._count
        if middle < _EDGE:
            return self.x(slot), "start"
        if middle > 1 - _EDGE:
            return self.x(slot + 1), "end"
        return _percent(middle), "middle"


def _framed(chart: Chart, height: float, drawn: Markup) -> Markup:
    return Markup(
        '<svg class="chart" role="img" height="{height:g}" aria-labelledby="{name}-t {name}-d">'
        '<title id="{name}-t">{title}</title><desc id="{name}-d">{says}</desc>{hatch}{drawn}</svg>'
    ).format(
        height=height,
        name=chart.name,
        title=chart.title,
        says=chart.says,
        hatch=_hatch(f"{chart.name}-hatch"),
        drawn=drawn,
    )


def _bar(start: float, share: float, y: float, look: int, name: str) -> Markup:
    if share <= 0:
        return Markup("")
    hatched = Markup(' fill="url(#{}-hatch)"').format(name) if look == 1 else ""
    return Markup('<rect class="s{}" x="{}" y="{}" width="{}" height="14"{}/>').format(
        look, _percent(start), y, _percent(share), hatched
    )


def _stands_alone(values: Values, slot: int) -> bool:
    """Tell whether no line leads on from a slot: it is the last, or there is nothing on either side of it."""
    after = values[slot + 1 :]
    return all(value is None for value in after) or (after[0] is None and (slot == 0 or values[slot - 1] is None))


def _hatch(name: str) -> Markup:
    return Markup(
        '<defs><pattern id="{}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="hatched" width="6" height="6"/><rect class="hatch" width="3" height="6"/></pattern></defs>'
    ).format(name)


def _swatch(look: int, kind: str) -> Markup:
    if kind == "line":
        return Markup(
            '<line class="l{0}" x1="1" x2="19" y1="6" y2="6"/><circle class="d{0}" cx="10" cy="6" r="3"/>'
        ).format(look)
    stripes = Markup("").join(Markup('<path class="stripe" d="M{} 12 l8 -12"/>').format(x) for x in (-3, 4, 11, 18))
    ground = Markup('<rect class="{}" width="20" height="12"/>').format("hatched" if look == 1 else f"s{look}")
    return ground + (stripes if look == 1 else Markup(""))


def _percent(share: float) -> str:
    return f"{round(100 * share, 3):g}%"
