"""Whose fills make which closed trades, over sessions and swaps. Pure.

All together: each slot's fills go on from each other, whoever is in it. A version of a model: what it took over when it
came counts as bought (or sold) then, and what it gave up when it went as closed, both at the market's price.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from hftd.analytics.session import Execution, SessionStory
from hftd.analytics.trades import ClosedTrade, Fill, Held, closed_trades
from hftd.analytics.versions import Handover, Who, who_of
from hftd.domain.events import CarriedPosition


def closed_by_all(stories: Sequence[SessionStory]) -> list[ClosedTrade]:
    """The closed trades of all models."""
    fills: dict[str, list[Fill]] = {}
    held: dict[str, list[Held]] = {}
    for number, story in enumerate(stories):
        for who, fill in _with_adopted(story):
            fills.setdefault(_slot(stories[number:], who.model_id), []).append(fill)
    for position in _carried(stories[0]):
        held.setdefault(_slot(stories, position.model_id), []).append(_held(position, stories[0]))
    return [trade for slot, own in fills.items() for trade in closed_trades(own, held.get(slot, ()))]


def closed_by(stories: Sequence[SessionStory], who: Who) -> list[ClosedTrade]:
    """The closed trades of one version of a model."""
    held = [_held(position, stories[0]) for position in _carried(stories[0]) if _beginner(stories[0], position) == who]
    fills = (fill for number in range(len(stories)) for fill in _fills(stories, number, who))
    return closed_trades(fills, held)


def _slot(stories: Iterable[SessionStory], model_id: str) -> str:
    """What the slot is called in the end."""
    for story in stories:
        model_id = story.versions.slot_of(model_id)
    return model_id


def _with_adopted(story: SessionStory) -> Iterator[tuple[Who, Fill]]:
    """The fills of a session in order, what was adopted among them, and whose they are."""
    fills = [(place + 1, one.who, _fill(one)) for place, one in enumerate(story.executions)]
    adopted = [(one.executions, one.taker, fill) for one in story.adopted for fill in _sides(one, one.taker)]
    return ((who, fill) for _, who, fill in sorted((*fills, *adopted), key=lambda row: row[0]))


def _carried(story: SessionStory) -> Iterator[CarriedPosition]:
    return (position for position in story.carried if position.quantity and not position.shadow)


def _beginner(story: SessionStory, position: CarriedPosition) -> Who:
    """Who was in the slot of `position` when the session began."""
    return story.versions.beginners.get(position.model_id, Who(position.model_id))


def _held(position: CarriedPosition, story: SessionStory) -> Held:
    price = float(position.cost / position.quantity)
    return Held(position.symbol, float(position.quantity), price, story.engine.session.open_ns)


def _fill(one: Execution) -> Fill:
    return Fill(one.symbol, one.time_ns, float(one.quantity), float(one.price))


def _fills(stories: Sequence[SessionStory], number: int, who: Who) -> Iterator[Fill]:
    """The fills of `who` in one session, and what it took over and gave up, in order."""
    story = stories[number]
    passed = [*(_overnight(stories[number - 1], story) if number else ()), *story.versions.handovers, *story.adopted]
    passed.sort(key=lambda handover: handover.executions)
    by_place = {place: list(rows) for place, rows in groupby(passed, key=lambda handover: handover.executions)}
    for place in range(len(story.executions) + 1):
        for handover in by_place.get(place, ()):
            yield from _sides(handover, who)
        if place < len(story.executions) and story.executions[place].who == who:
            yield _fill(story.executions[place])


def _sides(handover: Handover, who: Who) -> Iterator[Fill]:
    for side, sign in ((handover.giver, -1), (handover.taker, 1)):
        if side == who:
            yield Fill(handover.symbol, handover.time_ns, sign * handover.quantity, handover.price)


def _overnight(before: SessionStory, story: SessionStory) -> Iterator[Handover]:
    """What another version has in the morning than had it in the evening."""
    for position in _carried(story):
        evening = before.engine.models.get(position.model_id)
        taker = _beginner(story, position)
        if evening is not None and who_of(evening) != taker:
            price = story.versions.prices_at_start.get(position.symbol, float(position.cost / position.quantity))
            open_ns = story.engine.session.open_ns
            yield Handover(0, open_ns, who_of(evening), taker, position.symbol, float(position.quantity), price)
