"""Tables of the explanations say what the tables of the code say."""

import re
from pathlib import Path

from hftd.domain.orders import OrderStatus
from hftd.engine.order_states import EFFECTS, ENDS, ENTRY, FILLS, PAUSES, Effect, K

ROOT = Path(__file__).parents[2]
COLUMNS = (ENTRY, PAUSES, FILLS, ENDS, (K.REJECTED,))
WORDS = {
    "take over": {Effect.ADVANCE},
    "take over what is later": {Effect.ADVANCE, Effect.IGNORE},
    "count": {Effect.FILL},
    "count, keep the status": {Effect.LATE_FILL},
    "ignore": {Effect.IGNORE},
    "halt": {Effect.HALT},
}


def test_what_a_report_does_to_an_order() -> None:
    rows = re.findall(r"^\| (`.*) \|$", (ROOT / "docs/explanation/orders.md").read_text("utf-8"), re.MULTILINE)
    told = set()
    for statuses, *answers in (row.split(" | ") for row in rows):
        for status in map(OrderStatus, re.findall(r"`(\w+)`", statuses)):
            told.add(status)
            for kinds, answer in zip(COLUMNS, answers, strict=True):
                assert {EFFECTS[status][kind] for kind in kinds} <= WORDS[answer], (status, kinds)
    assert told == set(OrderStatus)
