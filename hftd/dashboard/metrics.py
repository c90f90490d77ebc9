"""`/metrics`: figures for Prometheus, written by its own library. Dollars, seconds, bytes."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hftd.dashboard.picture import Picture
from hftd.domain.convert import SECOND_NS, ns_of_rfc3339

CONTENT_TYPE = CONTENT_TYPE_LATEST
Json = dict[str, Any]


def exposition(picture: Picture | None, status: Json | None, measures: Json | None) -> bytes:
    """The figures: of the newest session's journal, and of the daemon, None when none runs."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures([*_of_session(picture), *_of_daemon(status), *_of_itself(measures)]))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"hftd_{name}", meaning, value=value)


def _labelled(family: Metric, values: Iterable[tuple[str, float]]) -> Metric:
    assert isinstance(family, GaugeMetricFamily | CounterMetricFamily)
    for label, value in values:
        family.add_metric([label], value)
    return family


# -- of the session's journal ------------------------------------------------------------------------------------------


def _of_session(picture: Picture | None) -> Iterator[Metric]:
    if picture is None:
        return
    engine, tally = picture.engine, picture.tally
    yield _gauge("equity_dollars", "Cash and what is held at the last prices.", float(engine.equity))
    yield _gauge("cash_dollars", "Cash.", float(engine.cash))
    yield _gauge("session_profit_dollars", "Gained or lost this session.", float(engine.profit))
    yield _gauge("drawdown_dollars", "Below the best so far.", picture.drawdown)
    symbols = sorted({*engine.prices, *engine.positions})
    yield _labelled(
        GaugeMetricFamily("hftd_position_shares", "Shares held, negative when short.", labels=["symbol"]),
        ((symbol, float(engine.position(symbol))) for symbol in symbols),
    )
    states = Counter(str(order.status) for order in engine.orders.values())
    yield _labelled(
        GaugeMetricFamily("hftd_orders", "This session's orders by their state.", labels=["state"]), states.items()
    )
    yield _gauge("working_orders", "Orders that may still be filled.", len(engine.working))
    yield _gauge("halts", "Halts in force.", len(list(engine.halts)))
    for name, meaning, value in (
        ("bars", "Bars taken in this session.", tally.bars),
        ("late_bars", "Bars that came too late to trade on.", tally.late_bars),
        ("quarantined_prints", "Bad prints set aside.", tally.quarantined),
        ("signals", "Decisions of models.", sum(tally.signals.values())),
        ("submitted_orders", "Orders decided and sent.", tally.orders),
        ("fills", "Executions.", tally.fills),
        ("refused_orders", "Orders refused by the risk limits.", tally.refused),
        ("rejected_orders", "Orders rejected by the broker.", tally.rejected),
    ):
        yield CounterMetricFamily(f"hftd_session_{name}", f"{meaning} Begins at 0 with each session.", value=value)


# -- of the daemon -----------------------------------------------------------------------------------------------------


def _of_daemon(status: Json | None) -> Iterator[Metric]:
    yield _gauge("up", "1 while the daemon answers.", status is not None)
    if status is None or "time" not in status:  # it does not run, or is starting
        return
    now_ns = ns_of_rfc3339(status["time"])
    opens_s = max(0.0, (ns_of_rfc3339(status["opens"]) - now_ns) / SECOND_NS)
    yield _gauge("open", "1 while a session is traded.", status["phase"] == "open")
    yield _gauge("next_open_seconds", "Market seconds to the next open; 0 while the market is open.", opens_s)
    yield _gauge("market_time_seconds", "Market time since 1970 UTC.", now_ns / SECOND_NS)
    if status["bar_age_s"] is not None:
        yield _gauge("bar_age_seconds", "Wall seconds since the last bar was complete.", status["bar_age_s"])
    models = (status.get("session") or {}).get("models", [])
    yield _labelled(
        GaugeMetricFamily("hftd_model_paused", "1 for a model that has failed.", labels=["model"]),
        ((model["model"], float(model["paused"])) for model in models),
    )


def _of_itself(measures: Json | None) -> Iterator[Metric]:
    if measures is None:
        return
    yield _latency(measures["bar_to_order"])
    yield _labelled(
        CounterMetricFamily("hftd_feed_losses", "Times that a socket was lost.", labels=["feed"]),
        measures["losses"].items(),
    )
    yield _labelled(
        GaugeMetricFamily("hftd_feed_up", "1 for a socket that is up.", labels=["feed"]),
        ((feed, float(state == "up")) for feed, state in measures["feeds"].items()),
    )
    yield _gauge("waiting_events", "Events that are not in the journal yet.", measures["waiting"])
    yield _gauge("resident_memory_bytes", "Memory of the daemon.", measures["resident_bytes"])


def _latency(told: Json) -> HistogramMetricFamily:
    """The histogram, cumulative as Prometheus has it."""
    buckets: list[tuple[str, float]] = []
    below = 0
    for bound, count in zip([*map(str, told["bounds_s"]), "+Inf"], told["counts"], strict=True):
        below += count
        buckets.append((bound, float(below)))
    return HistogramMetricFamily(
        "hftd_bar_to_order_seconds",
        "Wall time from a bar's arrival until the orders that followed from it had left.",
        buckets=buckets,
        sum_value=told["sum_s"],
    )
