from pathlib import Path

import pytest

from hftd.errors import ModelError
from hftd.model.choice import ChosenModel
from hftd.model.verify import describe, verified

SHIPPED = Path(__file__).parent.parent.parent / "models"
HEAD = "import os, sys, time\nfrom hftd import Model, buy, cancel, sell, target\nclass M(Model):\n"


def choice(name="m", *, symbols=("SPY", "QQQ"), **parameters):
    places = dict.fromkeys(parameters, "settings.yaml:6")
    return ChosenModel(name, symbols, parameters, where="settings.yaml:5", places=places)


def write(folder, body: str, head: str = HEAD):
    (folder / "m.py").write_text(head + body)
    return folder


def refusal(folder, chosen=None, limit_s=10.0) -> str:
    with pytest.raises(ModelError) as refused:
        verified(chosen or choice(), folder, limit_s)
    return str(refused.value).replace(f"{folder}/", "")


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.py")))
def test_every_shipped_model_passes(name):
    model = verified(choice(name), SHIPPED)
    assert model.loaded.description
    assert model.build() is not model.build()


def test_what_is_verified_is_what_is_loaded_with_its_parameters():
    model = verified(choice("volume_17_31", quantity=7), SHIPPED)
    assert model.values == {"sell_multiple": 17, "buy_multiple": 31, "quantity": 7}
    assert model.build().quantity == 7
    assert model.fingerprint != verified(choice("volume_17_31"), SHIPPED).fingerprint


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            "    def on_bar(self, bar):\n        return 1 / 0\n",
            "m.py:5: on_bar raised ZeroDivisionError: division by zero",
        ),
        ("    def on_start(self, context):\n        open('/nowhere')\n", "m.py:5: on_start raised FileNotFoundError"),
        ("    def on_bar(self):\n        pass\n", "m.py: on_bar raised TypeError: M.on_bar() takes 1 positional"),
        ("    def __init__(self, size):\n        pass\n", "m.py: __init__ raised TypeError"),
        (
            "    def on_bar(self, bar):\n        return 5\n",
            "m.py: on_bar returned 5 (int); expected nothing, an intent",
        ),
        ("    def on_bar(self, bar):\n        yield 'buy'\n", "m.py: on_bar returned 'buy' (str)"),
        (
            "    def on_bar(self, bar):\n        while True: yield buy(1, 'SPY')\n",
            "m.py: on_bar returned more than 1000",
        ),
        ("    def on_bar(self, bar):\n        return buy(1, 'SPX')\n", "m.py: on_bar returned an intent for 'SPX'"),
        (
            "    def on_bar(self, bar):\n        return buy(0, 'SPY')\n",
            "m.py:5: on_bar raised ValueError: buy(0, 'SPY')",
        ),
        ("    def on_bar(self, bar):\n        sys.exit()\n", "m.py:5: on_bar ends the process"),
        ("    def on_bar(self, bar):\n        os._exit(3)\n", "m.py: ended its process (status 3)"),
        ("    def on_bar(self, bar):\n        os.abort()\n", "m.py: crashed its process (SIGABRT)"),
        (
            "    def on_bar(self, bar): return target('QQQ', 5)\n    def on_fill(self, report): report.odd\n",
            "m.py:5: on_fill raised AttributeError",
        ),
        ("    def on_session_close(self, session):\n        raise RuntimeError\n", "m.py:5: on_session_close raised"),
        (
            "    def on_bar(self, bar):\n        return buy(1, 'SPY', limit_price=5)\n",
            "m.py:5: on_bar raised ValueError: buy(1, 'SPY'): limit_price is no term of an order",
        ),
        ("    size: int = 5\n", "m.py: M has no hook, so that nothing would ever call it; expected an on_bar"),
        (
            "    def on_start(self, context): context.every(60, 5)\n",
            "m.py:4: on_start raised ValueError: a timer named 5",
        ),
        (
            "    warmup_bars = '20'\n    def on_bar(self, bar): pass\n",
            "m.py: warmup_bars is '20' (str); expected a whole",
        ),
        ("    history_bars = 1e3\n    def on_bar(self, bar): pass\n", "m.py: history_bars is 1000.0 (float); expected"),
        ("    warmup_bars = -5\n    def on_bar(self, bar): pass\n", "m.py: warmup_bars is -5 (int); expected a whole"),
        (
            "    def warmup_bars(self): return 20\n    def on_bar(self, bar): pass\n",
            "m.py: warmup_bars is a method; write",
        ),
        (
            "    @property\n    def warmup_bars(self): return self.size\n    def on_bar(self, bar): pass\n",
            "m.py:5: warmup_bars or history_bars raised AttributeError",
        ),
    ],
)
def test_a_model_that_misbehaves_is_refused_with_its_place(tmp_path, body, sentence):
    assert refusal(write(tmp_path, body)).startswith(sentence)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("    def on_bar(self, bar):\n        while True: pass\n", "m.py:5: did not return within 2 s"),
        ("    while True: pass\n", "m.py:4: did not return within 2 s"),
    ],
)
def test_a_model_that_blocks_is_refused_with_its_line(tmp_path, body, sentence):
    assert refusal(write(tmp_path, body), limit_s=2) == sentence


def test_what_init_raises_later_is_raised_when_the_model_is_started(tmp_path):
    weights = tmp_path / "weights"
    weights.touch()
    model = verified(choice(), write(tmp_path, f"    def __init__(self): open({str(weights)!r})\n    on_bar = print\n"))
    weights.unlink()
    instance = model.build()
    with pytest.raises(ModelError, match=r"m\.py:4: __init__ raised FileNotFoundError"):
        instance.on_start(None)


def test_wrong_parameters_are_refused_where_they_stand():
    assert refusal(SHIPPED, choice("volume_17_31", quantity="five", quantty=5)).splitlines() == [
        "settings.yaml:6: parameter quantty: unknown; did you mean quantity?",
        "settings.yaml:6: parameter quantity: found 'five' (str), expected int",
    ]


def test_a_missing_parameter_is_told_where_the_model_is_chosen(tmp_path):
    assert refusal(write(tmp_path, "    size: int\n")) == "settings.yaml:5: parameter size: missing; expected int"


def test_an_unknown_model_is_told_where_it_is_chosen():
    assert refusal(SHIPPED, choice("volume_17_32")) == (
        f"settings.yaml:5: no model volume_17_32 in {SHIPPED}; did you mean volume_17_31?"
    )


def test_what_a_model_prints_and_starts_does_not_matter(tmp_path):
    body = (
        "    def on_bar(self, bar):\n        print('{}', flush=True)\n        os.write(1, b'{}')\n"
        "        sys.stdin.read()\n"
    )
    thread = "        import threading; threading.Thread(target=threading.Event().wait).start()\n"
    verified(choice(), write(tmp_path, body + thread, "print('x')\n" + HEAD))


def test_a_model_sees_its_own_position_in_the_trial(tmp_path):
    body = (
        "    def on_bar(self, bar):\n        return target(bar.symbol, 3)\n"
        "    def on_fill(self, report):\n        assert self.context.position(report.symbol) == 3\n"
        "    def on_session_close(self, session):\n"
        "        assert self.context.symbols == ('SPY', 'QQQ')\n"
        "        assert self.context.cash < 100_000\n"
        "        assert self.context.working_orders('SPY') == ()\n"
        "        assert self.context.position('OTHER') == 0\n"
    )
    verified(choice(), write(tmp_path, body))


def test_several_intents_of_each_kind_are_taken(tmp_path):
    body = (
        "    def on_bar(self, bar):\n        return [sell(1, bar.symbol), cancel(bar.symbol), target(bar.symbol, -1)]\n"
    )
    verified(choice(), write(tmp_path, body))


def test_describing_loads_but_does_not_run(tmp_path):
    write(tmp_path, "    size: int\n    step: float = 0.5\n    def on_bar(self, bar):\n        1 / 0\n")
    (tmp_path / "broken.py").write_text("(")
    broken, described = describe(["broken", "m"], tmp_path)
    assert broken.problem.startswith(f"{tmp_path}/broken.py:1: ")
    assert described.problem == described.fingerprint == ""
    assert [(row.name, row.type, row.default, row.is_required) for row in described.parameters] == [
        ("size", "int", None, True),
        ("step", "float", 0.5, False),
    ]
