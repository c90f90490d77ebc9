"""Our journals held against the broker's books."""

from decimal import Decimal

import pytest

from hftd.domain.events import PortfolioCarried
from hftd.engine.engine import Engine
from hftd.live.books import audited
from tests.engine.engine_world import OPEN_NS, RUN_ID, SESSION, WIDE


@pytest.mark.parametrize(("cash", "differences"), [("99992.741975375", 0), ("99992.741975377", 1), ("99992.76", 1)])
def test_fractions_of_shares_make_cash_finer_than_the_broker_tells_it(cash: str, differences: int) -> None:
    engine = Engine(SESSION, [], WIDE, RUN_ID)
    engine.step(PortfolioCarried(OPEN_NS, Decimal("99992.74197537469")))
    assert len(audited([engine], [], {}, Decimal(cash)).differences) == differences
