"""`hftd drill`: faults on purpose, and what they came to."""

import pytest

from hftd.commands.drill import Result, drill_text, exit_status_of, summary_of
from tests.running import Home

FAULTS = ("killed at order.answered", "killed at cancel.sending", "reports mute")
BUSY = '''
from hftd import Bar, Model, buy, sell


class Busy(Model):
    """Always trades, never cancels."""

    bars = 0

    def on_bar(self, bar: Bar):
        self.bars += 1
        return buy(1, bar.symbol) if self.bars % 2 else sell(1, bar.symbol)
'''


def test_a_drill_with_ones_own_model(home: Home) -> None:
    home.use_model("busy", BUSY)
    ended = home.run("drill", "--json", *(word for fault in FAULTS for word in ("--fault", fault)))
    assert ended.status == 0, ended
    told = ended.json
    assert (told["faults"], told["lost"], told["doubled"], told["ledger_equal"]) == (2, 0, 0, True)
    assert told["not_reached"] == ["killed at cancel.sending"]
    killed, _, mute = told["results"]
    # of a next session that may be a half day
    assert killed["orders"] > 150 and mute["orders"] > 5
    assert 0 < killed["recovery_s"] <= told["recovery_s_max"]
    assert sorted(ended.log.splitlines()) == sorted(FAULTS)
    assert not home.state.exists()


def test_a_fault_that_is_none_is_refused(home: Home) -> None:
    ended = home.run("drill", "--fault", "report mute")
    assert (ended.status, ended.log) == (
        78,
        "hftd: --fault 'report mute': there is no such fault; did you mean reports mute?\n",
    )


@pytest.mark.parametrize(
    "off", [{"lost": 1}, {"doubled": 1}, {"ledger_equal": False}, {"problem": "did not trade again"}]
)
def test_anything_off_is_told(off: dict[str, object]) -> None:
    results = [Result("fine", orders=3, recovery_s=1.0), Result("bad", recovery_s=2.5, **off)]  # type: ignore[arg-type]
    assert exit_status_of(results) == 1 and exit_status_of(results[:1]) == 0
    summary = summary_of(results)
    assert summary["recovery_s_max"] == 2.5 and not summary["ledger_equal"]
    assert drill_text(results).splitlines()[2].startswith("bad")
