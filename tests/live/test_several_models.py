"""Several models on the account of a real exchange, by a real daemon."""

from collections import Counter
from decimal import Decimal

from hftd.domain.commands import OrderCrossed, SubmitOrder
from hftd.domain.events import OrderReported
from hftd.domain.orders import ReportKind
from hftd.journal import Journal
from hftd.live.recovery import reviewed

FAST = {"HFTD_EXCHANGE__SPEED": 3600, "HFTD_EXCHANGE__REQUESTS_A_MINUTE": 0}
BUYER = "from hftd import Model, buy, cancel, sell, target\nclass M(Model):\n    def on_bar(self, bar):\n"
MODELS = {
    "one": "        return buy(3, bar.symbol) if bar.volume % 2 else sell(2, bar.symbol)\n",
    "two": "        return sell(2, bar.symbol) if bar.volume % 3 else buy(4, bar.symbol)\n",
    "three": "        return target(bar.symbol, bar.volume % 11 - 5)\n",
    "four": "        side, away = (buy, -0.02) if bar.volume % 2 else (sell, 0.02)\n"
    "        return [cancel(bar.symbol), side(1, bar.symbol, limit=round(bar.close + away, 2))]\n",
}


def test_four_models_trade_and_the_broker_refuses_nothing(home):
    for name, body in MODELS.items():
        (home.folder / "models" / f"{name}.py").write_text(BUYER + body)
    text = home.settings.read_text()
    start, end = text.index("model:"), text.index("risk:")
    chosen = "models: [" + ", ".join(f"{{name: {name}}}" for name in MODELS) + "]\n"
    home.settings.write_text(text[:start] + chosen + text[end:])
    ended = home.run("run", "--sessions", 1, "--json", HFTD_RISK__MAX_ORDERS_PER_MINUTE=1000, **FAST)
    assert ended.status == 0, ended
    refused = [event.report for event in home.events(OrderReported) if event.report.kind is ReportKind.REJECTED]
    assert not refused
    assert home.commands(OrderCrossed)
    assert len({order.model_id for order in home.commands(SubmitOrder)}) == 4
    assert ended.json["position"] == {}
    assert "account.agrees" in ended.events
    with Journal.read(home.journals()[-1]) as journal:
        engine = reviewed(journal)
    portfolios = [running.portfolio for running in engine.models.values()]
    assert sum((portfolio.cash_flow for portfolio in portfolios), Decimal(0)) == engine.cash - engine.cash_at_start
    assert Counter(running.portfolio.quantity("SPY") for running in engine.models.values()) == {0: 4}
