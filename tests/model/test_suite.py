"""The contract suite: the shipped models keep it, and each way of breaking it is found and named."""

from pathlib import Path
from typing import ClassVar

import pytest

from hftd.commands.verify_model import Verdict, verdict_text, verify_model
from hftd.errors import ModelError
from hftd.model.suite import CHECKS, name_of
from tests.model.model_contract import ModelContract

SHIPPED = Path(__file__).parents[2] / "models"


class TestVolume1731(ModelContract):
    file = SHIPPED / "volume_17_31.py"


class TestCrossing(ModelContract):
    file = SHIPPED / "crossing.py"
    parameters: ClassVar = {"fast": 5, "slow": 20}


class TestPair(ModelContract):
    file = SHIPPED / "pair.py"
    symbols = ("AAPL", "MSFT")


class TestQuoter(ModelContract):
    file = SHIPPED / "quoter.py"


def test_every_shipped_model_stands_here():
    tested = {case.file for case in ModelContract.__subclasses__()}
    assert tested == {file for file in SHIPPED.iterdir() if file.suffix == ".py"}


def examined(folder: Path, body: str, limit_s: float = 60.0) -> Verdict:
    head = "import os, random, time\nfrom hftd import Model, buy, cancel, sell, target\nclass M(Model):\n"
    (folder / "m.py").write_text(head + body)
    return verify_model(folder / "m.py", {}, limit_s=limit_s)


def failures(verdict: Verdict) -> dict[str, str]:
    return {finding.check: finding.detail for finding in verdict.findings if not finding.passed}


LOADS, STARTS, LIVES, BEARS, REPEATS, LOOKS, HURRIES = map(name_of, CHECKS)
ELSEWHERE = "decides the same in another process"


@pytest.mark.parametrize(
    ("body", "check", "detail"),
    [
        ("    size: int\n", LOADS, "parameter size: missing; expected int"),
        ("    size: int = 'x'\n", LOADS, "its default is ill-typed"),
        ("    def on_bar(self, bar):\n        return 5\n", STARTS, "m.py: on_bar returned 5 (int); expected nothing"),
        ("    def on_bar(self, bar):\n        return buy(1, 'IBM')\n", STARTS, "expected one of its symbols: SPY, QQQ"),
        (
            "    def on_start(self, context):\n        self.n = 0\n"
            "    def on_bar(self, bar):\n        self.n += 1\n        self.x = 1 / (500 - self.n)\n",
            LIVES,
            "m.py:8: on_bar raised ZeroDivisionError",
        ),
        (
            "    def on_bar(self, bar):\n        return buy(1, bar.symbol) if bar.vwap / 1 else None\n",
            BEARS,
            "TypeError",
        ),
        (
            "    def on_order(self, report):\n        assert report.kind != 'rejected'\n"
            "    def on_bar(self, bar):\n        return buy(1, bar.symbol)\n",
            BEARS,
            "on_order raised AssertionError",
        ),
        (
            "    seen = []\n    def on_bar(self, bar):\n        self.seen.append(bar)\n"
            "        return buy(len(self.seen) // 400 + 1, bar.symbol)\n",
            REPEATS,
            "it keeps something outside itself, or draws lots of its own",
        ),
        (
            "    def on_bar(self, bar):\n        return buy(1, bar.symbol) if random.random() < 0.5 else None\n",
            ELSEWHERE,
            "the order of a set, a clock or a random number may be at work",
        ),
        (
            "    def on_bar(self, bar):\n        order = enumerate(set('abcdefgh'))\n"
            "        return buy(1 + sum(place * ord(letter) for place, letter in order) % 97, bar.symbol)\n",
            ELSEWHERE,
            "the order of a set",
        ),
        (
            "    def on_bar(self, bar):\n        os._exit(3)\n",
            "leaves its process alone",
            "ended its process (status 3)",
        ),
    ],
)
def test_what_breaks_the_contract_is_found(tmp_path, body, check, detail):
    found = failures(examined(tmp_path, body))
    assert detail in found.get(check, f"passed; failed were {found}")


def test_a_check_that_does_not_return_has_failed(tmp_path):
    found = failures(examined(tmp_path, "    def on_bar(self, bar):\n        while True: pass\n", limit_s=5.0))
    assert "did not return within 5 s" in found[STARTS]


def test_after_a_first_check_that_fails_the_rest_is_not_tried(tmp_path):
    assert [finding.check for finding in examined(tmp_path, "    size: int\n").findings] == [LOADS]


def test_chance_of_the_context_is_the_same_everywhere(tmp_path):
    body = (
        "    def on_bar(self, bar):\n        return buy(1, bar.symbol) if self.context.rng.random() < 0.5 else None\n"
    )
    assert failures(examined(tmp_path, body)) == {}


def test_a_verdict_is_a_readable_list(tmp_path):
    good = verdict_text(examined(tmp_path, "    def on_bar(self, bar):\n        return None\n"))
    assert good.startswith(f"{tmp_path}/m.py, on SPY and QQQ\n  ok      is one model, with typed parameters")
    assert good.endswith("\nall 8 checks passed")
    bad = verdict_text(examined(tmp_path, "    size: int\n"))
    assert "\n  FAILED  is one model" in bad and bad.endswith("\n1 of 1 checks failed")


def test_a_model_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="no model m in"):
        verify_model(tmp_path / "m.py", {})
