"""Equity minute by minute, of one session or of several put end to end. Pure, numpy arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hftd.analytics.metrics import Floats
from hftd.analytics.session import Point, SessionStory
from hftd.analytics.versions import Who
from hftd.domain.convert import MINUTE_NS

WHOLE = Who("")
"""Stands for all models together where curves are told apart by model."""


@dataclass(frozen=True)
class Curve:
    """n + 1 moments (nanoseconds UTC), the first that of the open: dollars gained since then, and dollars held."""

    times_ns: NDArray[np.int64]
    profit: Floats
    gross: Floats


def curve_of(story: SessionStory, who: Who = WHOLE) -> Curve:
    """The session's curve, of one model or of all: a minute without news is as the one before it."""
    points = story.points
    if not points:
        return Curve(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    start_ns = story.engine.session.open_ns or points[0].time_ns
    ends = np.array([-(-(point.time_ns - start_ns) // MINUTE_NS) for point in points]).clip(0)
    minutes = np.arange(ends[-1] + 1)
    latest = np.searchsorted(ends, minutes, side="right") - 1
    profit, gross = _columns(points, who, float(story.engine.equity_at_start))
    return Curve(
        start_ns + minutes * MINUTE_NS,
        np.where(latest >= 0, profit[latest.clip(0)], 0.0),
        np.where(latest >= 0, gross[latest.clip(0)], 0.0),
    )


def _columns(points: Sequence[Point], who: Who, equity_at_start: float) -> tuple[Floats, Floats]:
    if who == WHOLE:
        rows = [(point.equity - equity_at_start, point.gross) for point in points]
    else:
        rows = [(point.profits.get(who, 0.0), point.grosses.get(who, 0.0)) for point in points]
    columns = np.array(rows, dtype=np.float64)
    return columns[:, 0], columns[:, 1]


def joined(curves: Sequence[Curve]) -> Curve:
    """Curves end to end: each goes on from the profit of the one before. The open of a session that follows another is
    left out, for nothing was gained between the two."""
    told = [curve for curve in curves if len(curve.profit)]
    if not told:
        return Curve(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    before = np.cumsum([0.0, *(curve.profit[-1] for curve in told[:-1])])
    return Curve(
        np.concatenate([curve.times_ns[(index > 0) :] for index, curve in enumerate(told)]),
        np.concatenate(
            [
                curve.profit[(index > 0) :] + gained
                for index, (curve, gained) in enumerate(zip(told, before, strict=True))
            ]
        ),
        np.concatenate([curve.gross[(index > 0) :] for index, curve in enumerate(told)]),
    )
