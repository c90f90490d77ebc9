"""The places at which the process may be made to end: every one is in the table, and in the code."""

import ast
from pathlib import Path

import pytest

import hftd
from hftd.live.crash_points import CRASH_POINTS
from tests.running import Home


def passed_in_code() -> list[str]:
    """The names given to `crash_point` all over hftd."""
    trees = [ast.parse(file.read_text()) for file in Path(hftd.__file__).parent.rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        ast.literal_eval(call.args[0])
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "crash_point"
    ]


def test_every_point_of_the_table_stands_once_in_the_code() -> None:
    assert sorted(passed_in_code()) == sorted(CRASH_POINTS)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("order.sendin", "HFTD_CRASH_AT: there is no crash point 'order.sendin'; did you mean order.sending?"),
        ("order.sending:0", "HFTD_CRASH_AT: found '0' after the colon, expected a number of passings, from 1"),
        ("order.sending:two", "HFTD_CRASH_AT: found 'two' after the colon, expected a number of passings, from 1"),
    ],
)
def test_a_point_that_is_none_is_refused(home: Home, value: str, expected: str) -> None:
    ended = home.run("run", "--speed", 3600, "--sessions", 1, HFTD_CRASH_AT=value)
    assert (ended.status, ended.log.strip()) == (78, f"hftd: {expected}")
