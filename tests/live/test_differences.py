"""Each difference between a session and its day on recorded data is given its cause."""

from dataclasses import dataclass, field
from decimal import Decimal
from math import inf

import pytest

from hftd.domain.commands import Command, OrderRefused, SignalRaised, SubmitOrder
from hftd.domain.convert import MINUTE_NS, SECOND_NS
from hftd.domain.events import BarReceived, OrderReported
from hftd.domain.market import Bar
from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind, Side
from hftd.live.differences import Cause, Told, differences
from hftd.live.recovery import Step

FIVE = Decimal(5)


@dataclass(frozen=True)
class Minute:
    """A minute of SPY, on whose bar five shares are bought, filled a while after at a price."""

    number: int
    late: bool = False
    refused: bool = False
    bought: bool = True
    price: str = "100.01"
    filled_after_ns: int = SECOND_NS
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        event = BarReceived(Bar("SPY", self.number * MINUTE_NS, 100, 100, 100, 100, 500), self.late)
        self.steps.append((event, self.commands() if self.bought else []))
        if self.bought and not self.refused:
            time_ns = event.time_ns + self.filled_after_ns
            quantities = {"quantity": FIVE, "price": Decimal(self.price), "filled_quantity": FIVE}
            report = ExecutionReport(ReportKind.FILL, self.order_id, time_ns, execution_id=self.order_id, **quantities)
            self.steps.append((OrderReported(report), []))

    @property
    def order_id(self) -> str:
        return f"order-{self.number}"

    def commands(self) -> list[Command]:
        signal = SignalRaised("toy", "SPY", Side.BUY, FIVE)
        if self.refused:
            rule, limit = "max_position", Decimal(3)
            return [signal, OrderRefused("toy", "SPY", Side.BUY, FIVE, rule, limit, value=FIVE)]
        order = OrderRequest(self.order_id, "SPY", Side.BUY, FIVE)
        return [signal, SubmitOrder("toy", order, 100.0, "fingerprint")]


def causes(live: list[Minute], again: list[Minute], same_until_ns: float = inf) -> list[Cause]:
    then, now = (Told(step for minute in minutes for step in minute.steps) for minutes in (live, again))
    return [difference.cause for difference in differences(then, now, same_until_ns)]


def test_what_is_alike_has_no_difference() -> None:
    assert causes([Minute(1), Minute(2)], [Minute(1), Minute(2)]) == []


@pytest.mark.parametrize(
    ("live", "cause"),
    [
        (Minute(2, late=True, bought=False), Cause.LATE_BAR),
        (Minute(2, refused=True), Cause.RISK),
        (Minute(2, price="100.02"), Cause.FILL_MODEL),
        (Minute(2, filled_after_ns=3 * SECOND_NS), Cause.LATENCY),
        (Minute(2, bought=False), Cause.CONSEQUENCE),
    ],
)
def test_each_cause_is_named(live: Minute, cause: Cause) -> None:
    assert set(causes([Minute(1), live], [Minute(1), Minute(2)])) == {cause}


def test_a_bar_that_one_of_both_lacks_is_missed() -> None:
    assert set(causes([Minute(1)], [Minute(1), Minute(2)])) == {Cause.MISSED_BAR}
    assert set(causes([Minute(1), Minute(2)], [Minute(1)])) == {Cause.MISSED_BAR}


def test_what_another_code_decided_is_not_explained_by_anything_else() -> None:
    swapped_ns = 3 * MINUTE_NS
    live, again = [Minute(1, refused=True), Minute(4, refused=True)], [Minute(1), Minute(4)]
    assert set(causes(live, again, same_until_ns=-inf)) == {Cause.CODE_CHANGED}
    assert sorted(set(causes(live, again, swapped_ns))) == [Cause.CODE_CHANGED, Cause.RISK]
