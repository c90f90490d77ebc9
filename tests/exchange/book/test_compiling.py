"""What an installation has compiled is not compiled again by a service that may not write there."""

import os
import subprocess
import sys
from pathlib import Path

MODULE = """
from hftd.exchange.book.compiling import compiled

@compiled("int64(int64)")
def twice(number):
    return 2 * number

print(twice(21), "found" if twice.stats.cache_hits else "compiled")
"""


def told(module: Path, cache: Path | None) -> list[str]:
    """What the module prints in a process of its own. Byte code, fresh by the second of its source, is not kept."""
    rest = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment = rest | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
    command = [sys.executable, "-B", module]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_what_was_compiled_beside_a_module_is_found_by_way_of_the_cache_directory(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(MODULE)
    assert told(module, None) == ["42", "compiled"]
    assert told(module, tmp_path / "cache") == ["42", "found"]
    assert len(list(tmp_path.glob("cache/*/module.twice*.nbi"))) == 1


PARTS = """
from hftd.exchange.book.compiling import inlined

FACTOR = {factor}
{more}
@inlined
def times(number):
    return {formula}
"""
WHOLE = """
import parts
from hftd.exchange.book.compiling import compiled, inlined
from parts import FACTOR, times

@inlined
def plus(number):
    return times(number) + FACTOR

@compiled("int64(int64)")
def calculate(number):
    return plus(number)

print(calculate(20), "found" if calculate.stats.cache_hits else "compiled")
"""


def test_what_is_made_of_parts_is_compiled_anew_when_one_of_them_has_changed(tmp_path: Path) -> None:
    """As after an upgrade, when the cache is older than the module that a compiled one takes its parts from."""
    (tmp_path / "whole.py").write_text(WHOLE)

    def told_with(**part: object) -> list[str]:
        (tmp_path / "parts.py").write_text(
            PARTS.format(**{"factor": 2, "formula": "number * FACTOR", "more": ""} | part)
        )
        return told(tmp_path / "whole.py", tmp_path / "cache")

    assert told_with() == ["42", "compiled"]
    assert told_with() == ["42", "found"]
    assert told_with(factor=3) == ["63", "compiled"]
    assert told_with(formula="number + FACTOR") == ["24", "compiled"]
    assert told_with(formula="number - FACTOR") == ["20", "compiled"]
    assert told_with(more="# moved down") == ["42", "found"]
