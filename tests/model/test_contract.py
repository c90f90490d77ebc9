import itertools
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd import Model, buy, cancel, sell, target
from hftd.errors import ModelError
from hftd.model.contract import HOOKS, MAX_INTENTS, intents_of, overrides
from hftd.model.parameters import (
    REQUIRED,
    Parameter,
    build,
    checked,
    parameters_of,
    type_name,
    value_of,
)


class Everything(Model):
    """Has a parameter of each kind."""

    unit: ClassVar[str] = "shares"
    _hidden: int = 1
    length: Annotated[int, "bars in the average"] = 20
    threshold: float = 1
    cautious: bool = True
    label: str = "x"
    cash: Decimal = Decimal("0.1")
    mode: Literal["fast", "slow", 3] = "fast"
    weights: list[float] = [1.0, 2.0]  # noqa: RUF012 - what a user writes
    pair: tuple[str, int] = ("SPY", 1)
    many: tuple[int, ...] = ()
    stop: float | None = None


class Needs(Everything):
    amount: int


def test_parameters_are_the_annotated_attributes_with_type_default_and_description():
    parameters = parameters_of(Everything)
    assert parameters["length"] == Parameter("length", int, 20, "bars in the average")
    assert parameters["threshold"].default == 1.0
    assert "unit" not in parameters
    assert "_hidden" not in parameters
    assert "context" not in parameters
    assert {name: parameter.type_name for name, parameter in parameters.items()} == {
        "length": "int",
        "threshold": "float",
        "cautious": "bool",
        "label": "str",
        "cash": "Decimal",
        "mode": "Literal['fast', 'slow', 3]",
        "weights": "list[float]",
        "pair": "tuple[str, int]",
        "many": "tuple[int, ...]",
        "stop": "float | None",
    }


def test_parameters_are_inherited_and_may_be_required():
    parameters = parameters_of(Needs)
    assert parameters["amount"].is_required
    assert parameters["amount"].default is REQUIRED
    assert set(parameters) == {*parameters_of(Everything), "amount"}


def test_given_values_stand_over_defaults_before_init_runs():
    class Sums(Everything):
        def __init__(self):
            self.total = sum(self.weights) * self.length

    model = build(Sums, {"weights": [1, 2, 3], "length": 2, "cash": "2.50", "stop": 3, "mode": 3, "pair": ["QQQ", 2]})
    assert model.total == 12.0
    assert (model.cash, model.stop, model.pair) == (Decimal("2.50"), 3.0, ("QQQ", 2))
    assert Sums.length == 20


def test_no_two_instances_share_a_list():
    first, second = build(Everything, {}), build(Everything, {})
    first.weights.append(3.0)
    assert second.weights == [1.0, 2.0] == Everything.weights


def test_every_wrong_parameter_is_told_with_its_place():
    wrong = {"lenght": 5, "length": "5", "cautious": 1, "weights": [True], "mode": "fst", "pair": ["SPY"], "many": 7}
    with pytest.raises(ModelError) as refused:
        build(Needs, wrong, lambda name: f"settings.yaml:9: parameter {name}")
    assert str(refused.value).splitlines() == [
        "settings.yaml:9: parameter lenght: unknown; did you mean length?",
        "settings.yaml:9: parameter length: found '5' (str), expected int",
        "settings.yaml:9: parameter cautious: found 1 (int), expected bool",
        "settings.yaml:9: parameter mode: found 'fst' (str), expected Literal['fast', 'slow', 3]",
        "settings.yaml:9: parameter weights: found True (bool), expected float",
        "settings.yaml:9: parameter pair: found ['SPY'] (list), expected tuple[str, int]",
        "settings.yaml:9: parameter many: found 7 (int), expected tuple[int, ...]",
        "settings.yaml:9: parameter amount: missing; expected int",
    ]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (int, 5.0),
        (float, "1"),
        (bool, 0),
        (str, 5),
        (float, 10**400),
        (Decimal, "many"),
        (Decimal, float("nan")),
    ],
)
def test_nothing_is_guessed(kind, value):
    with pytest.raises(ValueError, match=f"expected {type_name(kind)}"):
        value_of(kind, value)


@given(st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text() | st.booleans() | st.lists(st.integers()))
def test_a_value_is_of_its_type_or_refused(value):
    for kind in (int, float, bool, str, list[int]):
        try:
            taken = value_of(kind, value)
        except ValueError:
            continue
        assert type(taken) is (list if kind == list[int] else kind)
        assert taken == value


@pytest.mark.parametrize(
    ("annotations", "sentence"),
    [
        ({"on_bar": int}, "parameter on_bar: the name belongs to the model contract"),
        ({"window": dict[str, int]}, r"parameter window: its type is dict\[str, int\]; expected int, float"),
        ({"window": "Missing"}, "an annotation of Odd names 'Missing', which is not defined"),
    ],
)
def test_a_declaration_that_cannot_be_a_parameter_is_refused(annotations, sentence):
    odd = type("Odd", (Model,), {"__annotations__": annotations})
    with pytest.raises(ModelError, match=sentence):
        parameters_of(odd)


def test_an_ill_typed_default_is_refused():
    class Odd(Model):
        length: int = 2.5

    with pytest.raises(ModelError, match=r"parameter length: its default is ill-typed: found 2.5 \(float\)"):
        checked(Odd, {})


SYMBOLS = ("SPY",)
WANTS = (buy(5, "SPY"), sell(1, "SPY", limit=10), target("SPY", -3), cancel("SPY"))


@pytest.mark.parametrize(
    ("answer", "intents"),
    [(None, ()), ([], ()), (WANTS[0], WANTS[:1]), (WANTS, WANTS), (list(WANTS), WANTS), (iter(WANTS), WANTS)],
)
def test_a_hook_returns_nothing_one_intent_or_several(answer, intents):
    assert intents_of(answer, SYMBOLS) == intents


@pytest.mark.parametrize("answer", [5, "buy", True, {"buy": 5}, [WANTS[0], None], [[WANTS[0]]], b"", object()])
def test_nonsense_is_refused(answer):
    with pytest.raises(ModelError, match=r"returned .*; expected nothing, an intent"):
        intents_of(answer, SYMBOLS)


def test_a_set_is_refused_because_its_order_is_chance():
    with pytest.raises(ModelError, match="returned a set, whose order is another each time; expected a list"):
        intents_of(set(WANTS), SYMBOLS)


def test_an_endless_answer_is_refused():
    with pytest.raises(ModelError, match=f"more than {MAX_INTENTS} intents"):
        intents_of(itertools.repeat(WANTS[0]), SYMBOLS)


def test_hooks_are_all_the_hooks_and_do_nothing_by_default():
    assert set(HOOKS) == {name for name in dir(Model) if name.startswith("on_")}
    model = build(Model, {})
    assert [intents_of(getattr(model, hook)(None), SYMBOLS) for hook in HOOKS] == [()] * len(HOOKS)


def test_only_a_hook_of_its_own_is_an_override():
    class Listens(Model):
        def on_bar(self, bar):
            return None

    class Inherits(Listens):
        pass

    assert [hook for hook in HOOKS if overrides(Inherits, hook)] == ["on_bar"]
