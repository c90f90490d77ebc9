"""Executions are counted once, however often and from wherever they are told."""

from decimal import Decimal

import pytest

from hftd.domain.orders import ExecutionReport, OrderRequest, ReportKind, Side
from hftd.engine.state import OrderState, RunningModel
from hftd.model.contract import Model

FOUR = Decimal(4)


def order() -> OrderState:
    return OrderState(RunningModel("m", Model(), "", ("SPY",)), OrderRequest("a", "SPY", Side.BUY, FOUR), None)


def fill(execution_id: str, *, reconciled: bool) -> ExecutionReport:
    return ExecutionReport(
        ReportKind.FILL,
        "a",
        0,
        execution_id=execution_id,
        quantity=FOUR,
        price=Decimal(1),
        filled_quantity=FOUR,
        reconciled=reconciled,
    )


@pytest.mark.parametrize("reconciled_first", [True, False])
def test_a_fill_heard_and_the_same_fill_found_in_the_books_are_one(reconciled_first: bool) -> None:
    first, second = (fill(f"{turn}", reconciled=turn is reconciled_first) for turn in (True, False))
    state = order()
    assert not state.knows(first)
    state.count(first)
    assert state.knows(second)
