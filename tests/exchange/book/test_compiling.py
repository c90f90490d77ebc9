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
    """What the module prints in a process of its own."""
    rest = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment = rest | ({"NUMBA_CACHE_DIR": str(cache)} if cache else {})
    command = [sys.executable, module]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_what_was_compiled_beside_a_module_is_found_by_way_of_the_cache_directory(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(MODULE)
    assert told(module, None) == ["42", "compiled"]
    assert told(module, tmp_path / "cache") == ["42", "found"]
    assert len(list(tmp_path.glob("cache/*/module.twice*.nbi"))) == 1
