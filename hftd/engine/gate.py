"""The risk gate as an order meets it: judged by its model's limits, then as part of what all models hold together."""

import dataclasses
from collections.abc import Iterable, Iterator
from decimal import Decimal

from hftd.domain.convert import MINUTE_NS, decimal_of
from hftd.domain.intents import Want
from hftd.domain.orders import OrderType, Side
from hftd.engine.portfolio import ZERO
from hftd.engine.risk import Proposal, Refusal, refusal_of
from hftd.engine.session_state import SessionState
from hftd.engine.state import RunningModel

QUOTE_LIFE_NS = MINUTE_NS
"""How long a quote tells what a market order would be filled at."""


def refused_alone(state: SessionState, running: RunningModel, want: Want) -> Refusal | None:
    """Why `want` may not be sent by the limits of its model; None when it may."""
    return refusal_of(_proposal(state, running, want), running.limits or state.limits)


def refused_together(state: SessionState, running: RunningModel, want: Want) -> Refusal | None:
    """Why `want` may not be sent as part of what all models hold together; None when it may."""
    if len(state.models) == 1 and running.limits is None:
        return None  # nothing else than what it was judged by alone
    return refusal_of(_proposal_of_all(state, _proposal(state, running, want), want.symbol), state.limits)


def _proposal(state: SessionState, running: RunningModel, want: Want) -> Proposal:
    limits = running.limits or state.limits
    gross, net = _others(state, want.symbol, (running,), limits.needs_exposures)
    return Proposal(
        side=want.side,
        quantity=want.quantity,
        exposure=state.reach(running, want.symbol, want.side),
        reference_price=state.prices.get(want.symbol),
        time_ns=state.time_ns,
        open_ns=state.session.open_ns,
        close_ns=state.session.close_ns,
        closable=state.closable(running, want.symbol),
        sent_ns=[*running.sent_ns, *_to_be_sent(state, running)],
        others_gross=gross,
        others_net=net,
        limit_price=want.limit_price,
        stop_price=want.stop_price,
        touch=_touch(state, want),
        halted=state.halts.stops(running.model_id) or want.symbol in state.halted_symbols,
        flattening=state.is_before_close,
    )


def _to_be_sent(state: SessionState, running: RunningModel) -> Iterator[int]:
    """When the orders of a model that still wait were decided: each of the last minute counts as one that is sent."""
    since_ns = state.time_ns - MINUTE_NS
    waiting = (waiting for waiting in state.waiting.values() if waiting.order.owner is running)
    return (each.since_ns for each in waiting if each.since_ns > since_ns)


def _proposal_of_all(state: SessionState, own: Proposal, symbol: str) -> Proposal:
    """The same order as part of what all models hold together and have sent: what waits is judged when it leaves."""
    models = tuple(state.models.values())
    gross, net = _others(state, symbol, models, state.limits.needs_exposures)
    return dataclasses.replace(
        own,
        exposure=state.reach_sent(symbol, own.side),
        closable=sum((state.closable(running, symbol) for running in models), ZERO),
        sent_ns=state.sent_ns,
        others_gross=gross,
        others_net=net,
        closes=own.reduces,
    )


def _others(state: SessionState, symbol: str, models: Iterable[RunningModel], needed: bool) -> tuple[Decimal, Decimal]:
    """Dollars, unsigned and signed, that all symbols but one come to with the working orders of `models`."""
    gross = net = ZERO
    for other, price in state.prices.items() if needed else ():
        if other != symbol:
            notional = sum((state.exposure(running, other) for running in models), ZERO) * decimal_of(price)
            gross, net = gross + abs(notional), net + notional
    return gross, net


def _touch(state: SessionState, want: Want) -> float | None:
    """The price at which the other side of the last quote would fill a market order; None without a fresh one,
    and for an order that waits for its price."""
    quote = state.quotes.get(want.symbol)
    if want.type is OrderType.TRAILING_STOP or quote is None or state.time_ns - quote.time_ns >= QUOTE_LIFE_NS:
        return None
    return quote.ask if want.side is Side.BUY else quote.bid
