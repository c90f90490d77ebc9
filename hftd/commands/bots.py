"""`hftd bots`: many daemons on one simulated exchange, each with an account, a model, a state and a log of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from hftd.commands.text import columns
from hftd.errors import BrokerUnavailable, CredentialsError, SettingsError
from hftd.live.endings import when_told_to_end
from hftd.live.supervisor import Child, supervise
from hftd.model.verify import verified
from hftd.settings import Settings

OWN = ("HFTD_", "APCA_", "ALPACA_")
"""Beginnings of the variables that a bot gets from us alone: the rest of the environment is passed on."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Bots:
    """What was asked for. `models` take turns; without `url` an exchange is started. `keys` is an exchange's file."""

    count: int
    models: tuple[str, ...]
    state: Path
    url: str | None
    keys: Path | None
    sessions: int | None


@dataclass(frozen=True)
class Ran:
    """How the bots ended: by bot its model, exit status and summary; and whether it was a person's Ctrl-C."""

    bots: dict[str, Any]
    interrupted: bool


@dataclass(frozen=True)
class _Account:
    name: str
    key: str
    secret: str


def run_bots(settings: Settings, wanted: Bots) -> Ran:
    """Run the bots until all have ended or it is told to end.

    Raises SettingsError, ModelError or CredentialsError before anything is started.
    """
    if settings.broker.name != "simulated":
        raise SettingsError(
            f"{settings.origin('broker', 'name')}: bots trade on a simulated exchange, found {settings.broker.name}"
        )
    models = wanted.models or tuple(chosen.name for chosen in settings.chosen_models)
    for chosen in {model: _settings_of(settings, model, "http://127.0.0.1") for model in models}.values():
        for each in Settings.model_validate(chosen).chosen_models:
            verified(each, settings.models_folder)
    return asyncio.run(_run(settings, wanted, models))


async def _run(settings: Settings, wanted: Bots, models: Sequence[str]) -> Ran:
    stop, caught = asyncio.Event(), list[signal.Signals]()

    def stopped(number: signal.Signals) -> None:
        caught.append(number)
        stop.set()

    when_told_to_end(stopped)
    async with _exchange(settings, wanted, stop) as (url, accounts):
        children = [
            _child(settings, wanted, account, models[index % len(models)], url)
            for index, account in enumerate(accounts)
        ]
        statuses = await supervise(children, stop)
    results = {
        child.name: {
            "model": models[index % len(models)],
            "status": statuses[child.name],
            "summary": _last_summary(child.out),
        }
        for index, child in enumerate(children)
    }
    return Ran(results, bool(caught) and caught[0] is signal.SIGINT)


@asynccontextmanager
async def _exchange(settings: Settings, wanted: Bots, stop: asyncio.Event) -> AsyncIterator[tuple[str, list[_Account]]]:
    """Where the bots trade, and an account for each. An exchange of our own outlives the bots.

    If it ends by itself it sets `stop`, and BrokerUnavailable is raised once the bots have ended.
    """
    names = [f"bot-{number}" for number in range(1, wanted.count + 1)]
    async with AsyncExitStack() as stack:
        if wanted.url is not None:
            yield wanted.url, _accounts(wanted.keys or wanted.state / "exchange" / "keys.json", wanted.count, None)
            return
        from hftd.live.embedded import EmbeddedExchange, exchange_arguments

        exchange = settings.exchange.model_copy(update={"accounts": tuple(names)})
        arguments = exchange_arguments(settings.model_copy(update={"exchange": exchange}), wanted.state)
        own = EmbeddedExchange([*arguments, "--wait-for", str(wanted.count)])
        stack.push_async_callback(own.stop)
        address = await own.start()
        log.info("exchange.started", url=address.url, speed=f"{exchange.speed:g}", accounts=wanted.count)
        lost = asyncio.create_task(own.ended())
        lost.add_done_callback(lambda _: stop.set())
        yield address.url, _accounts(wanted.state / "exchange" / "keys.json", wanted.count, names)
        if lost.done():
            raise BrokerUnavailable(f"the simulated exchange ended by itself with status {lost.result()}")
        lost.cancel()


def _accounts(file: Path, count: int, names: Sequence[str] | None) -> list[_Account]:
    """The first `count` accounts of an exchange's keys, or those of `names`. Raises CredentialsError."""
    try:
        rows: dict[str, Any] = json.loads(file.read_text())
        found = [_Account(name, rows[name]["key"], rows[name]["secret"]) for name in names or rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CredentialsError(
            f"{file}: no keys of an exchange there ({error}); name its keys.json with --keys"
        ) from error
    if len(found) < count:
        raise CredentialsError(
            f"{file}: {count} bots need an account each, found {len(found)} ({', '.join(row.name for row in found)}); "
            "start the exchange with --account NAME once for each bot"
        )
    return found[:count]


def _child(settings: Settings, wanted: Bots, account: _Account, model: str, url: str) -> Child:
    """The process of one bot, with its settings written down."""
    folder = wanted.state / "bots" / account.name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "settings.yaml"
    file.write_text(json.dumps(_settings_of(settings, model, url), indent=2) + "\n")
    arguments = ["run", "--settings", str(file), "--state", str(folder / "state"), "--json"]
    sessions = [] if wanted.sessions is None else ["--sessions", str(wanted.sessions)]
    return Child(
        name=account.name,
        command=[sys.executable, "-m", "hftd", *arguments, *sessions],
        environment=_environment(os.environ, account),
        folder=folder,
        out=folder / "summary.jsonl",
        log=folder / "log",
    )


def _settings_of(settings: Settings, model: str, url: str) -> dict[str, Any]:
    """The settings of a bot: ours, with one model and an exchange that it does not start. JSON, which YAML reads."""
    values: dict[str, Any] = settings.model_dump(mode="json", exclude_defaults=True)
    parameters = next((each.parameters for each in settings.chosen_models if each.name == model), {})
    for name in ("models", "exchange", "alerts"):
        values.pop(name, None)
    return {
        **values,
        "broker": {"name": "simulated", "url": url, "feed": settings.broker.feed},
        "web": {"port": "off"},
        "model": {"name": model, "parameters": parameters},
        "models_folder": str(settings.models_folder),
    }


def _environment(ours: Mapping[str, str], account: _Account) -> dict[str, str]:
    own = {name: value for name, value in ours.items() if not name.startswith(OWN)}
    return {**own, "APCA_API_KEY_ID": account.key, "APCA_API_SECRET_KEY": account.secret}


def _last_summary(file: Path) -> dict[str, Any] | None:
    """What the bot printed when it ended; None if it never did."""
    lines = file.read_text().splitlines()
    try:
        return dict(json.loads(lines[-1])) if lines else None
    except ValueError:
        return None


def bots_text(results: Mapping[str, Any]) -> str:
    """A line for each bot."""
    rows = [("bot", "model", "status", "bars", "orders", "fills", "position", "P&L")]
    for name, result in results.items():
        summary = result["summary"] or {}
        position = ", ".join(f"{symbol} {shares}" for symbol, shares in summary.get("position", {}).items())
        counts = [str(summary.get(key, "-")) for key in ("bars", "orders", "fills")]
        rows.append(
            (name, result["model"], str(result["status"]), *counts, position or "flat", str(summary.get("pnl", "-")))
        )
    return columns(rows)
