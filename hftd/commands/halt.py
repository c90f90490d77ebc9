"""`hftd halt` and `hftd resume`: asked of the running daemon."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hftd.commands.look import halt_text
from hftd.errors import StateError
from hftd.live.control import ask_first, sockets_to_ask
from hftd.state import place_to_look

Answer = dict[str, Any]


def halt(state: Path | None, environment: Mapping[str, str], reason: str, *, flatten: bool) -> Answer:
    """Halt the daemon of `state`; what is in force afterwards. Raises StateError when none runs."""
    return _asked(state, environment, "halt", reason=reason, flatten=flatten)


def resume(state: Path | None, environment: Mapping[str, str], reason: str, symbol: str | None = None) -> Answer:
    """End the halts that a person may end, or the one of `symbol`; those, and what is still in force. Raises StateError
    when no daemon runs, or the symbol is not halted."""
    return _asked(state, environment, "resume", reason=reason, **({} if symbol is None else {"symbol": symbol}))


def _asked(state: Path | None, environment: Mapping[str, str], what: str, **arguments: Any) -> Answer:
    place = place_to_look(state, environment)
    told = ask_first(sockets_to_ask(state, place, environment), what, **arguments)
    if told is None:
        later = "; what is halted by its journal is resumed once one runs again" if what == "resume" else ""
        raise StateError(f"state directory {place}: no daemon runs on it, so there is nothing to {what}{later}")
    return dict(told)


def halting_text(answer: Answer) -> str:
    """What was done, what is in force, and what that means now."""
    lines = []
    if "resumed" in answer:
        lines.append(f"resumed: {', '.join(answer['resumed'])}" if answer["resumed"] else "nothing was resumed")
    lines += [halt_text(halt) for halt in answer["halts"]]
    if answer["blocked"]:
        lines.append(
            f"it takes effect once the journal can be written; until then nothing is sent: {answer['blocked']}"
        )
    elif answer["halts"]:
        lines.append(_effect(answer))
    return "\n".join(lines)


def _effect(answer: Answer) -> str:
    when = "" if answer["open"] else " from the next open"
    if not any(halt["flatten"] for halt in answer["halts"]):
        return f"no position is opened or enlarged{when}; closing goes on"
    held = ", ".join(f"{symbol} {quantity:+}" for symbol, quantity in answer["position"].items())
    return f"all positions are being closed{when}{f': {held}' if held else ''}; none is opened"
