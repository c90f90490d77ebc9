"""Which market data may reach the models: bad prints are set aside, real moves are not.

Judged by price, never by volume, and by what was known at the time:

- malformed: not a finite positive price, or a high and low that do not enclose the rest; of quotes, trades
  and corrections the prices alone are judged (`malformed`);
- misdated: from before 1970, or far ahead of the clock (`misdated`; whoever has a clock tells);
- from the past: a bar not newer than the last one of its symbol;
- an excursion: a bar that reaches `bound` (5 %) or more away from the last good close. It is set aside; if it reverts,
  no model ever saw it. If it does not, three bars in a row that each lie within the bound of a common level show that
  the market has moved: that level is the new anchor, and nothing stays in quarantine for ever.

A new level after a night that is a split's ratio away from the old one is taken for a split: it halts its symbol,
because positions and limits no longer mean what they did.
"""

from dataclasses import dataclass, field
from math import inf

from hftd.domain.convert import MINUTE_NS
from hftd.domain.events import BarReceived, Event, PortfolioCarried, PrintQuarantined, SymbolHalted
from hftd.domain.market import Bar, MarketData, Quote, Trade

BOUND = 0.05
"""The share of the last good close from which on a price is an excursion."""

CONSISTENT_BARS = 3
"""Bars in a row around a common level that make it the market's."""

PATIENCE_BARS = 30
"""Bars in a row that are set aside before the market is taken to be as wild as it looks."""

NO_PRICE = "a price is not a positive number"
VOLUME_END = 2**63
"""What no bar's volume reaches."""

NIGHT_NS = 4 * 60 * MINUTE_NS
"""A longer time than this without a bar is taken for a night."""

SPLIT_RATIOS = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 50.0, 1.5)
SPLIT_TOLERANCE = 0.05


@dataclass(slots=True)
class _Symbol:
    """What is known of one symbol: the last good close, the last bar's start, and bars at another level."""

    anchor: float | None = None
    anchor_ns: int | None = None
    last_bar_ns: int = 0
    elsewhere: list[Bar] = field(default_factory=list)
    set_aside: int = 0

    def is_overnight(self, bar: Bar) -> bool:
        """Whether the market was closed between the last good close, which a session carries over, and `bar`."""
        return self.anchor_ns is None or bar.time_ns - self.anchor_ns > NIGHT_NS


class Admission:
    """Turns bars into events. It begins with the closes of the session before, which `PortfolioCarried` brings."""

    def __init__(self, bound: float = BOUND) -> None:
        self._bound = bound
        self._symbols: dict[str, _Symbol] = {}

    @property
    def anchors(self) -> dict[str, float]:
        """The last good close of each symbol in dollars."""
        return {symbol: known.anchor for symbol, known in self._symbols.items() if known.anchor is not None}

    def recall(self, event: Event) -> None:
        """Take over what was judged before a restart."""
        if isinstance(event, BarReceived):
            self._accept(event.bar, self._known(event.bar), event.late)
        elif isinstance(event, PrintQuarantined) and not is_misdated(event):
            known = self._symbols.setdefault(event.symbol, _Symbol())
            known.last_bar_ns = max(known.last_bar_ns, event.bar_time_ns)
        elif isinstance(event, PortfolioCarried):
            self._symbols = {symbol: _Symbol(price) for symbol, price in event.prices.items()}

    def last_bar_ns(self, symbol: str) -> int:
        """Start of the last bar that was judged, good or bad; 0 before any."""
        known = self._symbols.get(symbol)
        return known.last_bar_ns if known else 0

    def judge(self, bar: Bar, *, late: bool = False) -> list[BarReceived | PrintQuarantined | SymbolHalted]:
        """The events that `bar` becomes."""
        known = self._known(bar)
        if flaw := self._flaw(bar, known):
            return [_quarantined(bar, flaw)]
        if known.anchor is None or self._is_near(bar, known.anchor):
            return [self._accept(bar, known, late)]
        return self._judge_excursion(bar, known, known.anchor, late)

    def look_back(self, bar: Bar) -> list[BarReceived | PrintQuarantined]:
        """The same of a bar from before the session: late, and a split of those days halts nothing, for what is held
        now is as it was split then."""
        return [event for event in self.judge(bar, late=True) if not isinstance(event, SymbolHalted)]

    def _flaw(self, bar: Bar, known: _Symbol) -> str | None:
        prices = (bar.open, bar.high, bar.low, bar.close)
        if malformed(bar):
            return NO_PRICE
        if bar.high < max(prices) or bar.low > min(prices) or not 0 <= bar.volume < VOLUME_END:
            return "high and low do not enclose open and close, or the volume is negative or absurd"
        if bar.time_ns <= known.last_bar_ns:
            return "it is from the past"
        return None

    def _judge_excursion(
        self, bar: Bar, known: _Symbol, anchor: float, late: bool
    ) -> list[BarReceived | PrintQuarantined | SymbolHalted]:
        known.last_bar_ns = bar.time_ns
        level = known.elsewhere[0].close if known.elsewhere else bar.close
        if not self._is_near(bar, level):
            known.elsewhere = [bar] if self._is_near(bar, bar.close) else []
        else:
            known.elsewhere.append(bar)
        known.set_aside += 1
        if len(known.elsewhere) < CONSISTENT_BARS and known.set_aside <= PATIENCE_BARS:
            away = max(bar.high / anchor - 1, 1 - bar.low / anchor)
            return [_quarantined(bar, f"it reaches {away:.1%} away from the last good close, {anchor:g}")]
        first = known.elsewhere[0] if known.elsewhere else bar
        halt = _split_of(bar, anchor) if known.is_overnight(first) else None
        return [*([halt] if halt else []), self._accept(bar, known, late)]

    def _known(self, bar: Bar) -> _Symbol:
        return self._symbols.setdefault(bar.symbol, _Symbol())

    def _accept(self, bar: Bar, known: _Symbol, late: bool) -> BarReceived:
        known.anchor, known.anchor_ns, known.last_bar_ns = bar.close, bar.time_ns, bar.time_ns
        known.elsewhere.clear()
        known.set_aside = 0
        return BarReceived(bar, late)

    def _is_near(self, bar: Bar, level: float) -> bool:
        return bar.high < level * (1 + self._bound) and bar.low > level * (1 - self._bound)


def _split_of(bar: Bar, anchor: float) -> SymbolHalted | None:
    for ratio in SPLIT_RATIOS:
        for times, words in ((ratio, f"{ratio:g} for 1"), (1 / ratio, f"1 for {ratio:g}")):
            if abs(bar.close * times / anchor - 1) < SPLIT_TOLERANCE:
                reason = f"overnight from {anchor:g} to {bar.close:g}: it looks like a split, {words}"
                return SymbolHalted(bar.known_at_ns, bar.symbol, "split", reason)
    return None


def malformed(data: MarketData) -> PrintQuarantined | None:
    """What a print becomes one of whose prices is none; None for a good one. A quote's side that is not there has
    price 0."""
    match data:
        case Bar():
            is_good = all(0 < price < inf for price in (data.open, data.high, data.low, data.close))
        case Quote():
            is_good = 0 <= data.bid < inf and 0 <= data.ask < inf
        case Trade():
            is_good = 0 < data.price < inf
    return None if is_good else PrintQuarantined(data.time_ns, data.symbol, 0, NO_PRICE, str(data))


def misdated(data: MarketData, now_ns: int) -> PrintQuarantined:
    """What a print becomes at `now_ns` whose own time cannot be: it would take the session's time with it, and all that
    came after it would be from the past."""
    prices = _prices_of(data) if isinstance(data, Bar) else str(data)
    return PrintQuarantined(now_ns, data.symbol, data.time_ns, "its time is far from now", prices)


def is_misdated(event: PrintQuarantined) -> bool:
    """Whether it was set aside for its time, which says nothing of what came before or after it."""
    return not 0 <= event.bar_time_ns < event.time_ns


def _quarantined(bar: Bar, reason: str) -> PrintQuarantined:
    return PrintQuarantined(bar.known_at_ns, bar.symbol, bar.time_ns, reason, _prices_of(bar))


def _prices_of(bar: Bar) -> str:
    return f"open {bar.open:g} high {bar.high:g} low {bar.low:g} close {bar.close:g} volume {bar.volume}"
