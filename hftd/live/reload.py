"""Other settings and models for a daemon that runs: verified first, taken over between two events, taken back if bad.

    asked (SIGHUP, a file that changed, hftd swap) ─► read and verify, in a thread and a child process; the old model
    goes on ─► refused: nothing has changed │ accepted: events ─► watched for some bars ─► fails: rolled back

A service beside the trading: all that it does to a session is an event of its journal.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from hftd.domain.events import CandidateDropped, CandidateEntered, LimitsChanged, ModelSwapped, Remark
from hftd.engine.engine import Engine
from hftd.engine.state import RunningModel
from hftd.engine.swapping import ROLLED_BACK, candidate_id
from hftd.errors import HftdError, SettingsError, StateError
from hftd.live.changes import Change, changes_between, chosen_text
from hftd.live.crash_points import crash_point
from hftd.live.daemon import Daemon
from hftd.live.plan import Plan
from hftd.live.services import Service, in_thread
from hftd.live.standing_in import FELL_BACK
from hftd.live.systemd import Notifier
from hftd.live.trader import Trader
from hftd.settings import Settings

log = structlog.get_logger()

PROBATION_BARS = 10
"""Bars of its symbols within which a model that fails after a swap is taken back, and the one before goes on."""

NOTE_MAX = 240
"""Characters of a refusal that the status line shows; the log has all of it."""

REASON_MAX = 500
"""Characters of a refusal that the journal keeps."""

SETTLED = frozenset({"model", "models", "models_folder", "risk", "reload_on_change", "promote_after"})
"""Settings that a running daemon takes over."""

MakePlan = Callable[[Settings], Plan]


def refuse_what_needs_a_restart(before: Settings, after: Settings) -> None:
    """Raises SettingsError that names what has changed and cannot be taken over."""
    then, now = before.model_dump(), after.model_dump()
    changed = [name for name in now if name not in SETTLED and now[name] != then[name]]
    if changed:
        raise SettingsError(
            "\n".join(
                f"{after.origin(name)}: {name} has changed; a running daemon takes over "
                "models and risk alone: restart it for this"
                for name in changed
            )
        )


class Reloader(Service):
    """`read` reads the settings again, `make_plan` verifies their models and makes a plan of them; both block.
    `refused` tells of models that were refused at the start, and which copies stand in for."""

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        make_plan: MakePlan,
        notifier: Notifier,
        refused: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._read = read
        self._make_plan = make_plan
        self._notifier = notifier
        self._refused_at_start = list(refused)
        self._one_at_a_time = asyncio.Lock()
        self._daemon: Daemon | None = None
        self._is_asked_early = False
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- as a service ----------------------------------------------------------------------------------------------

    async def started(self, daemon: Daemon) -> None:
        """Look after swapped models and candidates from now on."""
        self._daemon = daemon
        daemon.each_round(self.look_after)
        if self._refused_at_start:
            self._note(" · ".join(self._refused_at_start)[:NOTE_MAX])
        if self._is_asked_early:
            self.ask()
        if self._settings.reload_on_change:
            self._go(self._watch())

    async def session_prepared(self, trader: Trader) -> None:
        """Bring a session that was recovered to settings that were changed while the daemon was down."""
        assert self._daemon is not None
        while self._refused_at_start:
            trader.take(Remark(trader.engine.time_ns, FELL_BACK, self._refused_at_start.pop()[:REASON_MAX]), "control")
        plan = self._daemon.plan
        chosen = chosen_text(plan.make_models(), plan.limits)
        noted = trader.journal.meta().get("chosen")
        if noted is not None and noted != chosen:
            try:
                self._take(plan, changes_between(trader.engine, plan.make_models(), plan.limits, "restart"))
            except SettingsError as error:
                log.warning("reload.refused", reason=str(error))
        elif noted is None:
            trader.journal.set_meta("chosen", chosen)

    async def stopped(self) -> None:
        """End what is going on."""
        for task in self._tasks:
            task.cancel()

    # -- asked for -------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Reload soon, or as soon as there is a daemon: for signals."""
        if self._daemon is None:
            self._is_asked_early = True
        else:
            self._go(self._tried())

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> None:
        """Reload when the settings file or a model's file has changed."""
        from watchfiles import awatch

        watched = _Watched(self._settings)
        try:
            async for changed in awatch(*watched.places):
                if any(watched.concerns(path) for _, path in changed):
                    await self._tried()
        except OSError as error:  # a folder is gone, or the kernel watches no more files
            log.error("reload.unwatched", reason=str(error), effect="what changes is taken over by hftd reload alone")

    async def _tried(self) -> None:
        try:
            await self.reload()
        except HftdError:
            return  # told already
        except Exception as error:
            log.error("reload.failed", reason=str(error), effect="what ran before goes on", exc_info=True)

    async def reload(self) -> dict[str, Any]:
        """Read settings and models again and take them over. Raises HftdError, and nothing has changed."""
        async with self._one_at_a_time:
            self._notifier.reloading()
            try:
                return await self._reload()
            except HftdError as error:
                self._note(f"reload refused: {' '.join(str(error).split())}"[:NOTE_MAX])
                self._refused(str(error))
                raise
            finally:
                self._notifier.ready()

    async def _reload(self) -> dict[str, Any]:
        settings = await in_thread(self._read)
        refuse_what_needs_a_restart(self._settings, settings)
        plan = await in_thread(self._make_plan, settings)
        changes = await self._adopt(plan, "reload", settings.promote_after_bars)
        self._settings = settings
        self._note("")
        return self._told(changes)

    async def swap(self, settings: Settings) -> dict[str, Any]:
        """Take the models of `settings` over until the next session or reload. Raises HftdError."""
        async with self._one_at_a_time:
            try:
                plan = await in_thread(self._make_plan, settings)
                return self._told(await self._adopt(plan, "hand", None, lasting=False))
            except HftdError as error:
                self._refused(str(error))
                raise

    def promote(self, model_id: str = "") -> dict[str, Any]:
        """Let a candidate take its slot over; `model_id` may be left out when there is one. Raises StateError."""
        trader = self._trader()
        slots = [slot for slot in trader.engine.models if candidate_id(slot) in trader.engine.shadows] if trader else []
        wanted = [slot for slot in slots if model_id in ("", slot)]
        if trader is None or len(wanted) != 1:
            if not slots:
                raise StateError(
                    "no candidate decides on paper; the setting promote_after makes one of a changed model"
                )
            raise StateError(f"no candidate for {model_id or 'one place alone'}; candidates are for {', '.join(slots)}")
        change = _promotion(trader.engine, wanted[0], "promoted by hand")
        self._take(None, [change])
        return self._told([change])

    def _refused(self, reason: str) -> None:
        log.error("reload.refused", reason=reason, effect="what ran before goes on")
        trader = self._trader()
        if trader is not None:
            trader.take(Remark(trader.engine.time_ns, "reload.refused", reason[:REASON_MAX]), "control")

    def _told(self, changes: Sequence[Change]) -> dict[str, Any]:
        told = ", ".join(_words(change) for change in changes) or "nothing has changed"
        log.info("settings.reloaded", changes=told)
        return {"changes": [_words(change) for change in changes]}

    def _note(self, words: str) -> None:
        if self._daemon is not None:
            self._daemon.note(words)

    # -- taking over -----------------------------------------------------------------------------------------------

    def _trader(self) -> Trader | None:
        return self._daemon.trader if self._daemon is not None else None

    async def _adopt(
        self, plan: Plan, cause: str, promote_after: int | None, *, lasting: bool = True
    ) -> Sequence[Change]:
        assert self._daemon is not None
        if strange := set(plan.symbols) - set(self._daemon.plan.symbols):
            raise SettingsError(f"no data of {', '.join(sorted(strange))} is heard: restart hftd for other symbols")
        await self._daemon.subscribe(plan)
        trader = self._trader()
        changes: Sequence[Change] = ()
        if trader is not None:
            changes = changes_between(trader.engine, plan.make_models(), plan.limits, cause, promote_after)
            self._take(plan if lasting else None, changes)
        if lasting:
            self._daemon.adopt(plan)
        return changes

    def _take(self, plan: Plan | None, changes: Sequence[Change]) -> None:
        """Step the changes, and note for which settings they were made. While the journal cannot be written it raises
        StateError, and nothing has changed."""
        trader = self._trader()
        assert trader is not None
        if trader.blocked is not None:
            raise trader.blocked
        for change in changes:
            if isinstance(change, ModelSwapped):
                trader.journal.add_model(change.name, change.fingerprint, change.symbols, change.parameters)
            trader.take(change, "control")
            crash_point("change.taken")
        if plan is not None:
            trader.journal.set_meta("chosen", chosen_text(plan.make_models(), plan.limits))

    # -- afterwards ------------------------------------------------------------------------------------------------

    def look_after(self) -> None:
        """Roll back who has failed soon after a swap, give up candidates that fail, promote those that have waited."""
        trader = self._trader()
        if trader is None or trader.blocked is not None:
            return
        engine = trader.engine
        with suppress(StateError):  # the disk is full: looked after again when there is room
            self._look_after(trader, engine)

    def _look_after(self, trader: Trader, engine: Engine) -> None:
        for slot in list(engine.models.values()):
            if slot.before is not None and slot.paused and _is_on_probation(engine, slot):
                self._take(None, [_rollback(engine, slot)])
        for id in list(engine.models) if engine.shadows else ():
            self._look_after_candidate(trader, id)

    def _look_after_candidate(self, trader: Trader, model_id: str) -> None:
        candidate = trader.engine.shadows.get(candidate_id(model_id))
        if candidate is None:
            return
        if candidate.paused:
            trader.take(CandidateDropped(trader.engine.time_ns, model_id, "it has failed"), "control")
        elif 0 < candidate.promote_after <= candidate.bars_heard:
            self._take(None, [_promotion(trader.engine, model_id, f"after {candidate.bars_heard} bars")])


class _Watched:
    """The settings file and the files of all models."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.file.resolve() if settings.file else None
        self._folder = settings.models_folder.resolve()
        self.places = {self._folder, *([self._file.parent] if self._file else [])}

    def concerns(self, changed: str) -> bool:
        """Whether it is one of them."""
        path = Path(changed).resolve()
        inside = path.relative_to(self._folder).parts if path.is_relative_to(self._folder) else ()
        by_product = any(part == "__pycache__" or part.startswith(".") for part in inside)
        return path == self._file or (bool(inside) and not by_product)


def _is_on_probation(engine: Engine, slot: RunningModel) -> bool:
    assert slot.before is not None
    since = engine.past[slot.before.bars_seen :]
    return sum(bar.symbol in slot.symbols for bar in since) <= PROBATION_BARS * max(len(slot.symbols), 1)


def _rollback(engine: Engine, slot: RunningModel) -> ModelSwapped:
    former = slot.before
    assert former is not None
    return ModelSwapped(
        engine.time_ns,
        slot.model_id,
        former.model_id,
        former.fingerprint,
        former.symbols,
        former.parameters,
        ROLLED_BACK,
        f"{slot.model_id} ({slot.fingerprint[:12]}) has failed in its first bars",
    )


def _promotion(engine: Engine, model_id: str, reason: str) -> ModelSwapped:
    candidate = engine.shadows[candidate_id(model_id)]
    return ModelSwapped(
        engine.time_ns,
        model_id,
        model_id,
        candidate.fingerprint,
        candidate.symbols,
        candidate.parameters,
        "promoted",
        reason,
    )


def _words(change: Change) -> str:
    match change:
        case ModelSwapped():
            to = change.name if change.name != change.model_id else "its new version"
            return f"{change.model_id} swapped for {to} ({change.fingerprint[:12]})"
        case CandidateEntered():
            when = f"for {change.promote_after} bars" if change.promote_after else "until hftd promote"
            return f"{change.name} ({change.fingerprint[:12]}) decides on paper beside {change.model_id} {when}"
        case LimitsChanged():
            return "other risk limits"


def reloading_answers(reloader: Reloader, read: Callable[[], Settings]) -> dict[str, Callable[..., Any]]:
    """What may be asked about swaps by the control socket."""

    async def swap(name: str, parameters: dict[str, Any], slot: str = "") -> dict[str, Any]:
        return await reloader.swap(with_model(await in_thread(read), name, parameters, slot))

    return {"reload": reloader.reload, "swap": swap, "promote": reloader.promote}


def with_model(settings: Settings, name: str, parameters: dict[str, Any], slot: str) -> Settings:
    """`settings` with another model, or other `parameters` of it, in one slot. Raises SettingsError when there is no
    such slot."""
    chosen = settings.chosen_models
    names = [model.name for model in chosen]
    if not slot and len(names) > 1 and name not in names:
        raise SettingsError(f"several models run: {', '.join(names)}; say which with --slot")
    slot = slot or (name if name in names else names[0])
    if slot not in names:
        raise SettingsError(f"no model {slot} runs; expected one of {', '.join(names)}")
    path: tuple[str | int, ...] = ("model",) if settings.model is not None else ("models", names.index(slot))
    given = [(*path, "name"), *((*path, "parameters", parameter) for parameter in parameters)]
    if slot == name:
        parameters = next(model for model in chosen if model.name == name).parameters | parameters
    settings = settings.retold("hftd swap", *given)
    fields = {"name": name, "parameters": parameters}
    if settings.model is not None:
        return settings.model_copy(update={"model": settings.model.model_copy(update=fields)})
    models = tuple(model.model_copy(update=fields) if model.name == slot else model for model in settings.models or ())
    return settings.model_copy(update={"models": models})
