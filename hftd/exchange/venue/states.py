"""The life of an order at the venue: which status follows when something happens.

    (unsent) ──► pending_new ──► new ──► partially_filled ──► filled
        │             ▲           │              │
        ├──► accepted ┘           │              │         accepted: waits for the open, the end of a halt or a price
        └──► held ────────────────┴──────────────┴──► canceled | expired | replaced | rejected

`held` is a leg whose parent has not been filled, or a stop loss that shares its shares with a take profit. A
cancellation under way leaves an order what it is, and a replacement is carried out at once, so the `pending_cancel` and
`pending_replace` of Alpaca's machine are never entered; neither are the statuses of manual review, suspension and
clearing.

`NEXT` answers for each pair of status and happening: the status that follows, or None where the two cannot meet.
Statuses and their order follow docs.alpaca.markets, "Placing Orders", and FIX 4.2's appendix D.
"""

from hftd.domain.orders import OrderStatus, ReportKind

S, K = OrderStatus, ReportKind

_ENDS = {K.CANCELED: S.CANCELED, K.EXPIRED: S.EXPIRED, K.REPLACED: S.REPLACED, K.REJECTED: S.REJECTED}
_FILLS = {K.PARTIAL_FILL: S.PARTIALLY_FILLED, K.FILL: S.FILLED}

_ROWS: dict[OrderStatus, dict[ReportKind, OrderStatus]] = {
    S.UNSENT: {K.PENDING_NEW: S.PENDING_NEW, K.ACCEPTED: S.ACCEPTED, K.HELD: S.HELD},
    S.ACCEPTED: {K.NEW: S.NEW, **_ENDS},
    S.PENDING_NEW: {K.NEW: S.NEW, **_ENDS},
    S.HELD: {K.NEW: S.NEW, **_ENDS},
    S.NEW: {**_FILLS, **_ENDS},
    # What has traded cannot be rejected any more.
    S.PARTIALLY_FILLED: {**_FILLS, K.CANCELED: S.CANCELED, K.EXPIRED: S.EXPIRED, K.REPLACED: S.REPLACED},
}

ENTERED = frozenset(_ROWS) | {S.FILLED, *_ENDS.values()}
"""The statuses that exist at this venue."""

NEXT: dict[tuple[OrderStatus, ReportKind], OrderStatus | None] = {
    (status, kind): _ROWS.get(status, {}).get(kind) for status in OrderStatus for kind in ReportKind
}


def next_status(status: OrderStatus, kind: ReportKind) -> OrderStatus:
    """The status after `kind` has happened in `status`. That the two can meet is the venue's duty."""
    following = NEXT[status, kind]
    assert following is not None, f"an order in {status} cannot become {kind}"
    return following
