"""`hftd models --verify`: one model held to the contract, in child processes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from hftd.errors import ModelError
from hftd.model.choice import ChosenModel
from hftd.model.load import find_model
from hftd.model.suite import Finding, SuiteAnswer, SuiteRequest
from hftd.model.verify import child_output

LIMIT_S = 60.0
"""How long each check may take in seconds of wall time."""
WHOLE_S = 300.0
SYMBOLS = ("SPY", "QQQ")
"""What the made-up days are of, unless told otherwise: enough for a model of a pair."""
SAME_ELSEWHERE = "decides the same in another process"


class Verdict(Struct, frozen=True):
    """What was checked of a model, and what came of it."""

    model: str
    path: Path
    symbols: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every check was passed."""
        return all(finding.passed for finding in self.findings)


def verify_model(
    place: Path, parameters: Mapping[str, Any], symbols: Sequence[str] = (), limit_s: float = LIMIT_S
) -> Verdict:
    """Check the model in the file or folder `place`, with these parameters and symbols.

    Blocks. Raises ModelError when there is no such model; whatever is wrong with it is a finding.
    """
    path = find_model(place.stem, place.parent)
    chosen = ChosenModel(place.stem, tuple(symbols) or SYMBOLS, dict(parameters))
    request = SuiteRequest(chosen, str(place.parent), limit_s)
    answer = _answer(request, hash_seed=1)
    findings = answer.findings
    if answer.digest:
        findings += (_compared(answer, _answer(request, hash_seed=2)),)
    return Verdict(chosen.name, path, chosen.symbols, findings)


def _answer(request: SuiteRequest, hash_seed: int) -> SuiteAnswer:
    """The child's answer. The order of Python's sets depends on the seed of its hashes, and a model's must not."""
    try:
        output = child_output("hftd.model.suite", msgspec.json.encode(request), WHOLE_S, PYTHONHASHSEED=str(hash_seed))
    except ModelError as error:
        return SuiteAnswer((Finding("leaves its process alone", False, str(error)),))
    return msgspec.json.decode(output, type=SuiteAnswer)


def _compared(first: SuiteAnswer, second: SuiteAnswer) -> Finding:
    if first.digest == second.digest:
        return Finding(SAME_ELSEWHERE, True, f"decisions {first.digest[:12]}")
    reason = "it decided otherwise; the order of a set, a clock or a random number may be at work"
    return Finding(SAME_ELSEWHERE, False, reason)


def verdict_text(verdict: Verdict) -> str:
    """A line for each check, and the sum."""
    width = max(len(finding.check) for finding in verdict.findings)
    lines = [
        f"  {'ok' if finding.passed else 'FAILED':<6}  {finding.check:<{width}}  {finding.detail}"
        for finding in verdict.findings
    ]
    failed = sum(not finding.passed for finding in verdict.findings)
    sum_up = f"{failed} of {len(lines)} checks failed" if failed else f"all {len(lines)} checks passed"
    return "\n".join([f"{verdict.path}, on {' and '.join(verdict.symbols)}", *lines, sum_up])
