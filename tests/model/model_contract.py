"""The contract that every model keeps, as a class of tests: derive from it, and name the file.

class TestMine(ModelContract):
    file = Path("models/mine.py")
    parameters: ClassVar = {"length": 5}
"""

from pathlib import Path
from typing import Any, ClassVar

import pytest

from hftd.commands.verify_model import SAME_ELSEWHERE, Verdict, verify_model
from hftd.model.suite import CHECKS, name_of


class ModelContract:
    """Each check of `hftd models --verify` is a test; the model is examined once."""

    file: ClassVar[Path]
    parameters: ClassVar[dict[str, Any]] = {}
    symbols: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def verdict(cls) -> Verdict:
        return verify_model(cls.file, cls.parameters, cls.symbols)

    @pytest.mark.parametrize("check", [*map(name_of, CHECKS), SAME_ELSEWHERE])
    def test_it(self, verdict: Verdict, check: str) -> None:
        found = {finding.check: finding for finding in verdict.findings}
        assert check in found, f"not reached: {verdict.findings[-1].detail}"
        assert found[check].passed, found[check].detail
