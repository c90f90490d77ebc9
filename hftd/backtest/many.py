"""Many backtests on the same data, in parallel processes; the results come in the order of the requests."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

from hftd.backtest.request import Request
from hftd.backtest.result import Result
from hftd.backtest.run import Progress, run_task
from hftd.backtest.task import Past
from hftd.calendar import Calendar

_past = Past({})
"""Of a worker process: sent once, not with each request."""


def processors() -> int:
    """How many processes can run at once here."""
    return len(os.sched_getaffinity(0))


def run_many(
    requests: Sequence[Request],
    past: Past,
    *,
    jobs: int = 0,
    driver: str = "auto",
    out: Sequence[Path | None] = (),
    progress: Progress = lambda done: None,
) -> list[dict[str, Any]]:
    """The summaries, in order. `out` are folders to save the results in; `jobs` 0 takes all processors. `progress`
    is told how many are done. Raises the first error of a request."""
    folders = list(out) or [None] * len(requests)
    count = min(jobs or processors(), len(requests))
    if count <= 1:
        _take_past(past)
        return _told(map(partial(_run, driver), requests, folders), progress)
    # A fresh interpreter for each: numba's and Arrow's threads do not survive a fork.
    with ProcessPoolExecutor(count, get_context("spawn"), _begin, (past,)) as pool:
        before = set(active_children())
        with _uninterrupted():
            running = [pool.submit(_run, driver, *both) for both in zip(requests, folders, strict=True)]
        try:
            return _told((one.result() for one in running), progress)
        except KeyboardInterrupt:
            for child in set(active_children()) - before:
                child.kill()
            raise
        except Exception:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes that are started meanwhile ignore Ctrl-C, which is for their parent: it ends them."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _told(summaries: Iterable[dict[str, Any]], progress: Progress) -> list[dict[str, Any]]:
    told = []
    for summary in summaries:
        told.append(summary)
        progress(len(told))
    return told


def _begin(past: Past) -> None:
    """What a child does first: its models' prints must not come between the data of standard output."""
    sys.stdout = sys.stderr
    _take_past(past)


def _take_past(past: Past) -> None:
    global _past
    _past = past


def _run(driver: str, request: Request, folder: Path | None) -> dict[str, Any]:
    result: Result = run_task(request.task(_past, Calendar()), driver=driver)
    if folder is not None:
        result.save(folder)
    return result.summary
