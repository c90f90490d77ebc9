"""The facts of minute bars that a market should share with real ones (Cont, 2001, calls them stylized facts).

All take closing prices or volumes of several sessions: one array of about 390 minutes each.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def returns(closes: Sequence[Floats]) -> list[Floats]:
    """Logarithmic returns within each session."""
    return [np.diff(np.log(session)) for session in closes]


def kurtosis(closes: Sequence[Floats]) -> float:
    """Fourth moment of all returns over their squared variance: 3 for a normal distribution."""
    every = np.concatenate(returns(closes))
    every = every - every.mean()
    return float((every**4).mean() / (every**2).mean() ** 2)


def autocorrelation(series: Sequence[Floats], lag: int) -> float:
    """Of all sessions together, each about the mean of all."""
    mean = np.concatenate(series).mean()
    above = sum(float(((one[lag:] - mean) * (one[:-lag] - mean)).sum()) for one in series)
    below = sum(float(((one - mean) ** 2).sum()) for one in series)
    return above / below


def absolute(series: Sequence[Floats]) -> list[Floats]:
    return [np.abs(one) for one in series]


def u_shape(volumes: Sequence[Floats]) -> tuple[float, float]:
    """Mean volume of a minute in the first and in the last half hour, beside that of the two hours around noon."""
    opening, noon, closing = (
        float(np.mean([session[part].mean() for session in volumes]))
        for part in (slice(0, 30), slice(135, 255), slice(-30, None))
    )
    return opening / noon, closing / noon


def realised_volatility(closes: Sequence[Floats]) -> float:
    """Root of the mean squared return of a day, as the sum of its minutes' squares."""
    return float(np.sqrt(np.mean([(session**2).sum() for session in returns(closes)])))


def ranks(values: Floats) -> Floats:
    """The place of each value in their order."""
    return np.argsort(np.argsort(values)).astype(float)
