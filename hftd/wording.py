"""Small pieces of the sentences that tell a user what is wrong."""

from collections.abc import Iterable

SHOWN = 50
"""Names in a sentence at most."""


def nearest(found: str, choices: Iterable[str]) -> str:
    """The choice most like `found`, whatever its case; "" when none is near."""
    from difflib import get_close_matches  # only a mistake pays for it

    by_folded = {choice.casefold(): choice for choice in choices}
    matches = get_close_matches(found.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[matches[0]] if matches else ""


def suggestion(found: str, choices: Iterable[str]) -> str:
    """What to do instead of `found`: the nearest valid name, or all of them when none is near."""
    names = sorted(choices)
    near = nearest(found, names)
    if near:
        return f"did you mean {near}?"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"valid: {', '.join(names[:SHOWN])}{more}" if names else "none is valid here"
