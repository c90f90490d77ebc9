"""Charts as inline SVG: lines over minutes of trading, marks where something was bought or sold. Pure text.

The x axis counts minutes of trading, so that nights take no room. Colours are classes; the page's style gives them.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import pairwise

import numpy as np

from hftd.analytics.metrics import Floats
from hftd.analytics.shown import new_york

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 70, 12, 10, 22
COLUMNS = 800
"""Points beyond which a line is drawn by the least and the greatest of each of so many stretches."""
TITLED_MAX = 400
"""Marks beyond which they have no words of their own: the log below has them."""
TICKS_X, TICKS_Y = 7, 4

Write = Callable[[float], str]


class Frame:
    """A chart's coordinates: x in 0..n - 1 minutes, y between the least and the greatest value."""

    def __init__(self, times_ns: Sequence[int], low: float, high: float, height: int) -> None:
        pad = (high - low) * 0.06 or max(abs(high), 1.0) * 0.001
        self.times_ns = times_ns
        self.low, self.high = low - pad, high + pad
        self.height = height

    def x(self, index: float) -> float:
        span = max(len(self.times_ns) - 1, 1)
        return LEFT + index / span * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + (self.high - value) / (self.high - self.low) * (self.height - TOP - BOTTOM)

    def wrap(self, label: str, write: Write, body: Iterable[str]) -> str:
        """The whole drawing, with axes."""
        inner = "".join((*self._y_axis(write), *self._x_axis(), *body))
        size = f'viewBox="0 0 {WIDTH} {self.height}"'
        return f'<svg {size} role="img" aria-label="{escape(label)}"><title>{escape(label)}</title>{inner}</svg>'

    def _y_axis(self, write: Write) -> Iterable[str]:
        for value in round_values(self.low, self.high, TICKS_Y):
            y = self.y(value)
            yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{escape(write(value))}</text>'

    def _x_axis(self) -> Iterable[str]:
        for index, text in time_labels(self.times_ns):
            anchor = "end" if self.x(index) > WIDTH - 60 else "middle"
            yield f'<text x="{self.x(index):.1f}" y="{self.height - 6}" text-anchor="{anchor}">{text}</text>'


def time_labels(times_ns: Sequence[int]) -> list[tuple[int, str]]:
    """(index, text): hours within a day, days over several."""
    if not times_ns:
        return []
    days = [index for index in range(len(times_ns)) if index == 0 or _day(times_ns[index]) != _day(times_ns[index - 1])]
    if len(days) > 1:
        step = -(-len(days) // TICKS_X)
        return [(index, f"{new_york(times_ns[index]):%b %d}") for index in days[::step]]
    places = np.unique(np.linspace(0, len(times_ns) - 1, min(TICKS_X, len(times_ns))).astype(int)).tolist()
    return [(index, f"{new_york(times_ns[index]):%H:%M}") for index in places]


def _day(time_ns: int) -> int:
    return time_ns // 86_400_000_000_000


def round_values(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers within [low, high]."""
    span = high - low
    if not span > 0 or not np.isfinite(span):
        return [low]
    unit = 10.0 ** np.floor(np.log10(span / count))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10, 20) if span / (unit * factor) <= count)
    first = np.ceil(low / step)
    return [float(step * place) for place in np.arange(first, np.floor(high / step) + 1)]


def line_path(frame: Frame, values: Floats, places: Floats | None = None) -> str:
    """The d of a path through all values; with many, through the least and greatest of each stretch."""
    x = np.arange(len(values), dtype=np.float64) if places is None else places
    kept = _telling(values)
    return "M" + "L".join(f"{frame.x(x[index]):.1f} {frame.y(values[index]):.1f}" for index in kept) if kept else ""


def _telling(values: Floats) -> list[int]:
    if len(values) <= 2 * COLUMNS:
        return list(range(len(values)))
    edges = np.linspace(0, len(values), COLUMNS + 1).astype(int)
    kept = {0, len(values) - 1}
    for start, end in pairwise(edges):
        kept |= {start + int(values[start:end].argmin()), start + int(values[start:end].argmax())}
    return sorted(kept)


def line_chart(label: str, times_ns: Sequence[int], values: Floats, write: Write, height: int, kind: str) -> str:
    """A line, and the area between it and the beginning (or 0 for a drawdown). Nothing without two values."""
    if len(values) < 2:
        return ""
    frame = Frame(times_ns, float(values.min()), float(values.max()), height)
    path, base = line_path(frame, values), frame.y(float(values[0]))
    area = f'<path class="area {kind}" d="{path}L{frame.x(len(values) - 1):.1f} {base:.1f}L{LEFT} {base:.1f}Z"/>'
    return frame.wrap(label, write, (area, f'<path class="line {kind}" d="{path}"/>'))


Mark = tuple[int, float, float, str]
"""(time_ns, signed quantity, price, words)"""


def price_chart(
    label: str, times_ns: Sequence[int], known_ns: Floats, closes: Floats, marks: Sequence[Mark], write: Write
) -> str:
    """Closes at the moments they were known, with a triangle for each buy (up) and sell (down)."""
    if not len(closes) or len(times_ns) < 2:
        return ""
    prices = np.concatenate([closes, [mark[2] for mark in marks]])
    frame = Frame(times_ns, float(prices.min()), float(prices.max()), 240)
    moments = np.asarray(times_ns, dtype=np.float64)
    path = line_path(frame, closes, _places(moments, known_ns))
    places = _places(moments, np.array([mark[0] for mark in marks], dtype=np.float64))
    drawn = _titled(frame, places, marks) if len(marks) <= TITLED_MAX else _untitled(frame, places, marks)
    return frame.wrap(label, write, (f'<path class="line price" d="{path}"/>', *drawn))


def _places(moments: Floats, times_ns: Floats) -> Floats:
    """Where on the x axis these times are."""
    return np.interp(times_ns, moments, np.arange(len(moments), dtype=np.float64))


def _triangle(frame: Frame, place: float, mark: Mark) -> str:
    x, y, up = frame.x(place), frame.y(mark[2]), 1 if mark[1] > 0 else -1
    return f"M{x:.1f} {y:.1f}l-4 {7 * up}h8z"


def _side(mark: Mark) -> str:
    return "buy" if mark[1] > 0 else "sell"


def _titled(frame: Frame, places: Floats, marks: Sequence[Mark]) -> Iterable[str]:
    for place, mark in zip(places, marks, strict=True):
        shape = _triangle(frame, float(place), mark)
        yield f'<path class="{_side(mark)}" d="{shape}"><title>{escape(mark[3])}</title></path>'


def _untitled(frame: Frame, places: Floats, marks: Sequence[Mark]) -> Iterable[str]:
    for side in ("buy", "sell"):
        shapes = [
            _triangle(frame, float(place), mark)
            for place, mark in zip(places, marks, strict=True)
            if _side(mark) == side
        ]
        yield f'<path class="{side}" d="{"".join(shapes)}"/>'
