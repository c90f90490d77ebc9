"""A model whose file is broken when the daemon starts: with its positions open the copy that traded goes on."""

import signal
from pathlib import Path

import pytest

from hftd.domain.commands import SubmitOrder
from hftd.domain.events import ModelSwapped, Remark, SessionOpened
from hftd.errors import ModelError
from hftd.live import standing_in
from hftd.live.standing_in import FELL_BACK, StandIns
from hftd.model.choice import ChosenModel
from tests.running import Home, Running

BUYER = """from hftd import Model, buy

class M(Model):
    quantity: int = 1

    def on_bar(self, bar):
        return buy(self.quantity, bar.symbol, reason="buyer")
"""
SELLER = BUYER.replace("buy", "sell")
BROKEN = BUYER + "\nboom\n"
FAST = {"HFTD_EXCHANGE__SPEED": 150, "HFTD_EXCHANGE__REQUESTS_A_MINUTE": 0}


def killed_with_a_position(home: Home) -> Path:
    """A daemon that was killed in mid-session while it held something; its model's file."""
    file = home.use_model("mine", BUYER)
    running = home.start("run", "--sessions", 1, **FAST)
    running.wait_for("order.filled")
    running.end(signal.SIGKILL)
    return file


def restarted(home: Home) -> Running:
    again = home.start("run", "--sessions", 1, **FAST)
    assert "boom" in again.wait_for("model.fell_back")
    assert "replayed through the same models" in again.wait_for("session.recovered")
    return again


def test_the_copy_that_traded_goes_on_says_so_and_is_replaced_by_a_reload(home: Home) -> None:
    file = killed_with_a_position(home)
    file.write_text(BROKEN)
    again = restarted(home)
    again.wait_for("reason=buyer")
    line = home.run("status", "--json").json["line"]
    assert "mine trades on as it was" in line and "boom" in line
    file.write_text(SELLER)
    told = home.run("reload")
    assert told.status == 0 and told.out.startswith("mine swapped for its new version"), told
    again.wait_for("reason=seller")
    assert "trades on as it was" not in home.run("status", "--json").json["line"]
    assert again.end().status == 0
    (remark,) = [remark for remark in home.events(Remark) if remark.name == FELL_BACK]
    assert "boom" in remark.detail
    (swap,) = home.events(ModelSwapped)
    assert {order.fingerprint for order in home.commands(SubmitOrder)} - {swap.fingerprint}


def test_a_session_that_the_copy_brings_to_its_end_is_flat_and_then_a_start_refuses(home: Home) -> None:
    file = killed_with_a_position(home)
    file.unlink()
    ended = home.run("run", "--sessions", 1, "--json", **FAST | {"HFTD_EXCHANGE__SPEED": 3600})
    assert ended.status == 0, ended
    assert ended.json["position"] == {} and "model.fell_back" in ended.events
    refused = home.run("run", "--sessions", 1, **FAST)
    assert refused.status == 78 and "no model mine" in refused.log


def test_where_nothing_is_open_a_start_refuses(home: Home) -> None:
    home.use_model("mine", BROKEN)
    refused = home.run("run", "--sessions", 1, **FAST)
    assert refused.status == 78 and "boom" in refused.log


@pytest.mark.parametrize("moment", ["before", "after"])
def test_by_wall_time_a_session_is_over_at_its_close(home: Home, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    file = killed_with_a_position(home)
    file.write_text(BROKEN)
    (opened,) = home.events(SessionOpened)
    close_ns = opened.session.close_ns
    monkeypatch.setattr(standing_in, "wall_ns", lambda: close_ns - 1 if moment == "before" else close_ns)
    chosen = ChosenModel("mine", ("SPY",))
    stand_ins = StandIns(home.state, [chosen], is_wall_time=True)
    if moment == "before":
        assert stand_ins.verified(chosen, file.parent).values == {"quantity": 1}
    else:
        with pytest.raises(ModelError, match="boom"):
            stand_ins.verified(chosen, file.parent)
