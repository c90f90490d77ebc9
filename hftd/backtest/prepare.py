"""From what a user says (a name, a path, a class; files or a DataFrame) to a task. Everything is checked here."""

import hashlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

import numpy as np

from hftd.backtest.task import Past, Subject
from hftd.calendar import Calendar
from hftd.data.decoding import Decoder
from hftd.data.reading import USUAL, Reading, check_columns
from hftd.data.reading import columns_of as names_of
from hftd.data.recorded import Recorded
from hftd.data.rows import Bars, Kind
from hftd.domain.convert import rfc3339_of
from hftd.domain.session import Session
from hftd.errors import DataError, ModelError
from hftd.exchange.market.columns import BarColumns
from hftd.exchange.market.recorded import sessions_with_bars
from hftd.exchange.market.tape import columns_of
from hftd.exchange.market.tick_tape import bars_in
from hftd.model.contract import Model
from hftd.model.load import LoadedModel, fingerprint, load_model
from hftd.model.parameters import checked
from hftd.wording import suggestion

Data = Any
"""A path, several paths, or a DataFrame of minute bars."""


def subject_of(model: type[Model] | str | Path, parameters: Mapping[str, Any], folder: Path, where: str) -> Subject:
    """The model by its class, its name in `folder`, or the path of its file or folder. Raises ModelError.

    `where` begins the sentence about a wrong parameter.
    """
    loaded = _of_class(model) if isinstance(model, type) else _of_name(str(model), folder)
    values = checked(loaded.cls, parameters, lambda name: f"{where}: parameter {name}")
    return Subject(loaded.name, loaded.cls, values, fingerprint(loaded, values), loaded.path)


def _of_name(name: str, folder: Path) -> LoadedModel:
    path = Path(name)
    if path.suffix == ".py" or len(path.parts) > 1 or (path.is_dir() and not name.isidentifier()):
        if not path.exists():
            raise ModelError(f"model {path}: no such file or folder")
        return load_model(path.stem, path.parent)
    return load_model(name, folder)


def _of_class(cls: type[Any]) -> LoadedModel:
    if not issubclass(cls, Model):
        raise ModelError(f"{cls.__module__}.{cls.__qualname__} is no model: expected a subclass of hftd.Model")
    try:
        source, path = inspect.getsource(cls), Path(inspect.getsourcefile(cls) or cls.__qualname__)
    except (OSError, TypeError):  # typed into an interpreter
        source, path = cls.__qualname__, Path(cls.__qualname__)
    return LoadedModel(cls.__name__, path, cls, hashlib.sha256(source.encode()).hexdigest())


def past_of(data: Data, symbols: Sequence[str] = (), reading: Reading = USUAL) -> Past:
    """What files (as `reading` says), folders of files, or a DataFrame of bars hold; a single one of `symbols` names
    the rows of a frame that does not. Raises DataError that names the file, the row and the column.
    """
    if hasattr(data, "columns") and hasattr(data, "index"):
        return Past(_columns_of(_of_frame(data, symbols)))
    given = [data] if isinstance(data, str | Path) else list(data)
    if not given:
        raise DataError("no data: give a file or folder of bars, or of quotes and trades")
    found = Recorded.open([Path(path) for path in given], reading=reading, symbols=symbols)
    if found.kinds == (Kind.BARS,):
        return Past(_columns_of(found.bars()))
    bars = bars_in(found)
    return Past({symbol: bars[symbol] for symbol in sorted(bars)}, found)


def _columns_of(found: Mapping[str, Bars]) -> dict[str, BarColumns]:
    return {symbol: _traded(columns_of(found[symbol])) for symbol in sorted(found)}


def _traded(columns: BarColumns) -> BarColumns:
    """Without minutes that had no trade."""
    kept = columns.volume > 0
    return columns if kept.all() else columns.rows(kept)


@dataclass
class _Frame:
    """A DataFrame as the decoder wants its sources."""

    columns: dict[str, str]
    reading: Reading
    file: Path = Path("DataFrame")
    kind: Kind | None = Kind.BARS
    is_record: bool = False


def _of_frame(frame: Any, symbols: Sequence[str]) -> dict[str, Bars]:
    import pandas
    import pyarrow

    if isinstance(frame.index, pandas.DatetimeIndex) and "timestamp" not in frame.columns:
        frame = frame.rename_axis("timestamp").reset_index()
    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    reading = Reading(symbol=symbols[0] if len(symbols) == 1 else "")
    source = _Frame(names_of(Path("DataFrame"), table.column_names, reading), reading)
    check_columns(source.file, Kind.BARS, source.columns, table.column_names, reading)
    decoder = Decoder(symbols)
    rows = decoder.rows(source, table, 0)
    codes = np.unique(rows.symbol).tolist()
    return {decoder.names[code]: cast(Bars, rows.take(rows.symbol == code)) for code in codes}


def chosen(bars: Mapping[str, BarColumns], symbols: Iterable[str]) -> dict[str, BarColumns]:
    """The bars of `symbols`, or all. Raises DataError with the nearest name."""
    wanted = list(symbols) or sorted(bars)
    for symbol in wanted:
        if symbol not in bars:
            raise DataError(f"no bars of {symbol} in the data; {suggestion(symbol, bars)}; --symbols chooses")
    return {symbol: bars[symbol] for symbol in wanted}


def sessions_of(
    bars: Mapping[str, BarColumns], calendar: Calendar, first: date | None, last: date | None
) -> list[Session]:
    """The sessions with bars from day `first` to `last`, both included. Raises DataError when there is none."""
    found = sessions_with_bars(dict(bars), calendar)
    if not found:
        first_ns = min(int(columns.time_ns[0]) for columns in bars.values())
        raise DataError(
            f"no bar lies in a session of calendar {calendar.name}; the first is of {rfc3339_of(first_ns)}: "
            "if it should be another hour, the times of the files have another zone than they say"
        )
    wanted = [session for session in found if (not first or first <= session.day) and (not last or session.day <= last)]
    if not wanted:
        raise DataError(
            f"no session from {first or 'the first'} to {last or 'the last'}: the bars are of "
            f"{found[0].day} to {found[-1].day}"
        )
    return wanted
