"""The life of an order as hftd sees it: what each report does in each state.

    unsent ──► waiting ──► new ──► partially_filled ──► filled
       │          │         │             │
       └──────────┴─────────┴─────────────┴──► rejected | canceled | expired | replaced

Reports may come twice, late, or out of order, so each pair of (status, report) has an answer in `EFFECTS`:

- ADVANCE  take over the status that the report names;
- FILL     count the execution (once for each execution id) and take over the status;
- LATE_FILL  count the execution and keep the terminal status: shares are shares, whatever was said before;
- IGNORE   a repetition, or news that is older than what we know;
- HALT     the two contradict each other: nothing is traded on such a picture until it has been reconciled.

The words are Alpaca's, which follow FIX 4.2's OrdStatus (tag 39) and ExecType (tag 150).
"""

from enum import Enum, auto

from hftd.domain.orders import OrderStatus, ReportKind

S, K = OrderStatus, ReportKind


class Effect(Enum):
    """What a report does to an order."""

    ADVANCE = auto()
    FILL = auto()
    LATE_FILL = auto()
    IGNORE = auto()
    HALT = auto()


NAMED_STATUS: dict[ReportKind, OrderStatus] = {
    K.PENDING_NEW: S.PENDING_NEW,
    K.ACCEPTED: S.ACCEPTED,
    K.PENDING_REVIEW: S.PENDING_REVIEW,
    K.HELD: S.HELD,
    K.NEW: S.NEW,
    K.STOPPED: S.STOPPED,
    K.SUSPENDED: S.SUSPENDED,
    K.CALCULATED: S.CALCULATED,
    K.DONE_FOR_DAY: S.DONE_FOR_DAY,
    K.PENDING_CANCEL: S.PENDING_CANCEL,
    K.PENDING_REPLACE: S.PENDING_REPLACE,
    K.PARTIAL_FILL: S.PARTIALLY_FILLED,
    K.FILL: S.FILLED,
    K.CANCELED: S.CANCELED,
    K.EXPIRED: S.EXPIRED,
    K.REPLACED: S.REPLACED,
    K.REJECTED: S.REJECTED,
}
"""The status that a report names. The kinds that are not here name none."""

ENTRY = (K.PENDING_NEW, K.ACCEPTED, K.PENDING_REVIEW, K.HELD, K.NEW)
PAUSES = (K.STOPPED, K.SUSPENDED, K.CALCULATED, K.DONE_FOR_DAY, K.PENDING_CANCEL, K.PENDING_REPLACE)
FILLS = (K.PARTIAL_FILL, K.FILL)
ENDS = (K.CANCELED, K.EXPIRED, K.REPLACED)
REMARKS = (K.RESTATED, K.ORDER_CANCEL_REJECTED, K.ORDER_REPLACE_REJECTED, K.UNKNOWN)

_WAITING = (S.UNSENT, S.PENDING_NEW, S.ACCEPTED, S.PENDING_REVIEW, S.HELD, S.ACCEPTED_FOR_BIDDING)
_WORKING = (S.NEW, S.STOPPED, S.SUSPENDED, S.CALCULATED, S.DONE_FOR_DAY, S.PENDING_CANCEL, S.PENDING_REPLACE)

_ENTRY_ORDER = (S.UNSENT, S.PENDING_REVIEW, S.PENDING_NEW, S.ACCEPTED, S.ACCEPTED_FOR_BIDDING, S.HELD, S.NEW)
"""How far along each entry state is; an entry report that names an earlier state is old news."""


def _entry(status: OrderStatus, kind: ReportKind) -> Effect:
    if status not in _ENTRY_ORDER:
        return Effect.IGNORE
    later = _ENTRY_ORDER.index(NAMED_STATUS[kind]) > _ENTRY_ORDER.index(status)
    return Effect.ADVANCE if later else Effect.IGNORE


def _live(status: OrderStatus) -> dict[ReportKind, Effect]:
    return (
        {kind: _entry(status, kind) for kind in ENTRY}
        | dict.fromkeys(PAUSES, Effect.IGNORE if status is S.PARTIALLY_FILLED else Effect.ADVANCE)
        | dict.fromkeys(FILLS, Effect.FILL)
        | dict.fromkeys(ENDS, Effect.ADVANCE)
        | dict.fromkeys(REMARKS, Effect.IGNORE)
        | {K.REJECTED: Effect.HALT if status is S.PARTIALLY_FILLED else Effect.ADVANCE}
    )


def _terminal(**exceptions: Effect) -> dict[ReportKind, Effect]:
    return dict.fromkeys(ReportKind, Effect.IGNORE) | {K(kind): effect for kind, effect in exceptions.items()}


EFFECTS: dict[OrderStatus, dict[ReportKind, Effect]] = {
    **{status: _live(status) for status in (*_WAITING, *_WORKING, S.PARTIALLY_FILLED)},
    # Everything is filled: a partial fill here came late and had been missing; whether it fits is arithmetic.
    S.FILLED: _terminal(partial_fill=Effect.LATE_FILL, fill=Effect.LATE_FILL, rejected=Effect.HALT),
    # A fill may have been under way when the order was withdrawn.
    S.CANCELED: _terminal(partial_fill=Effect.LATE_FILL, fill=Effect.LATE_FILL, rejected=Effect.HALT),
    S.EXPIRED: _terminal(partial_fill=Effect.LATE_FILL, fill=Effect.LATE_FILL, rejected=Effect.HALT),
    S.REPLACED: _terminal(partial_fill=Effect.LATE_FILL, fill=Effect.LATE_FILL, rejected=Effect.HALT),
    # What was never accepted cannot have traded.
    S.REJECTED: _terminal(partial_fill=Effect.HALT, fill=Effect.HALT),
}


def effect_of(status: OrderStatus, kind: ReportKind) -> Effect:
    """What a report of `kind` does to an order in `status`."""
    return EFFECTS[status][kind]
