"""`hftd verify`: a receipt that a session was decided as its journal says, and how its day goes on recorded data."""

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
from pydantic import ValidationError

from hftd.commands.journal import chosen_journal
from hftd.errors import StateError
from hftd.journal import Journal
from hftd.live.recorder import records_folder
from hftd.live.verification import Receipt, verify_session
from hftd.settings import Settings, find_settings_file, load_settings
from hftd.state import place_to_look

NOT_TRADING = frozenset({"web", "alerts"})
"""Sections that change no decision; they hold secrets, which a journal keeps as asterisks."""


def verify(
    settings: Path | None, state: Path | None, environment: Mapping[str, str], session: str | None, data: Path | None
) -> Receipt:
    """Verify a session, the last one by default, and keep the receipt in STATE/receipts."""
    place = place_to_look(state, environment)
    path = chosen_journal(state, environment, session)
    chosen = _settings_of(path, settings, environment)
    receipt = verify_session(path, place, chosen, data or _data_of(place, path.stem, chosen))
    _keep(place / "receipts", receipt)
    return receipt


def _settings_of(path: Path, file: Path | None, environment: Mapping[str, str]) -> Settings:
    """The settings that the session was run with; those of `file` if one is given."""
    if file is not None:
        return load_settings(find_settings_file(file, environment), environment)
    with Journal.read(path) as journal:
        told = journal.meta().get("settings")
    if told is None:
        raise StateError(f"{path}: it does not hold the settings that it was run with; give them with --settings FILE")
    trading = {name: values for name, values in json.loads(told).items() if name not in NOT_TRADING}
    try:
        return Settings.model_validate_json(json.dumps(trading))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StateError(
            f"{path}: this hftd does not know the settings that it was run with ({where}: {first['msg']}); give some "
            "with --settings FILE"
        ) from error


def _data_of(state: Path, day: str, settings: Settings) -> Path | None:
    """What was recorded of the day, or the tape that was played."""
    recorded = records_folder(state) / day
    if any(recorded.glob("*.parquet")):
        return recorded
    tape = settings.exchange.tape
    return tape if tape is not None and tape.exists() else None


def _keep(folder: Path, receipt: Receipt) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{receipt.session}.json").write_bytes(msgspec.json.format(msgspec.json.encode(receipt)))
        (folder / f"{receipt.session}.txt").write_text(receipt_text(receipt) + "\n")
    except OSError as error:
        raise StateError(f"{folder}: the receipt cannot be written: {error.strerror or error}") from error


def receipt_text(receipt: Receipt) -> str:
    """The receipt for people."""
    lines = [
        f"session     {receipt.session}",
        *(f"model       {model.model_id} {model.fingerprint[:12]}" for model in receipt.models),
        f"events      {receipt.events}",
        f"decisions   {receipt.decisions}",
        f"mismatches  {receipt.mismatches}",
    ]
    for mismatch in receipt.first_mismatches:
        lines += [f"  step {mismatch.sequence}, {mismatch.event}", *(f"    then {text}" for text in mismatch.then)]
        lines += [f"    now  {text}" for text in mismatch.now]
    lines += [*_backtest_lines(receipt), *receipt.remarks]
    return "\n".join([*lines, "the journal is proven" if receipt.proves else "the journal is NOT proven"])


def _backtest_lines(receipt: Receipt) -> list[str]:
    told = receipt.backtest
    if told is None:
        return []
    total = sum(told.differences.values())
    by_cause = [f"  {count} {cause}" for cause, count in told.differences.items()]
    examples = [f"    {difference.time}  {difference.cause}: {difference.what}" for difference in told.examples]
    return [
        f"the day     {told.agreeing} decisions agree on {told.data}, {total} difference{'s'[: total != 1]}",
        *by_cause,
        *examples,
    ]
