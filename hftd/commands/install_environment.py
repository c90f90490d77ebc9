"""An environment of hftd's own: a copy of what runs now, so that an installation needs neither network nor pip.

PREFIX/DIGEST is a virtual environment with hftd, all that it depends on, file by file as the packages' own records say,
and the packages that models ask for. The digest is of all this: the same again is the same folder. PREFIX/current is a
link to it, changed in one instant; the environment before it stays, for a daemon that still runs in it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

import hftd
from hftd.errors import HftdError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

COMPLETE = "complete"
"""The file in an environment that says that nothing of it is missing."""
CURRENT = "current"
KEPT = 2
"""Environments that stay: the new one, and the one before it; older ones only as long as something runs in them."""
SHARED = "share/hftd"
SHIPPED = ("deploy", "models", "settings.yaml")
"""What stands beside the package in the project, and in SHARED of an environment."""
UNREACHABLE = ("/root", "/home", "/run/user")
"""What a service with ProtectHome= does not see."""
LAUNCHER = """#!/bin/sh
exec "{python}" -P -m hftd "$@"
"""


def shipped() -> Path:
    """The folder of the units, models and settings that hftd came with: the project, or what a wheel has brought."""
    project = Path(hftd.__file__).parents[1]
    return project if (project / "deploy" / "hftd.service").is_file() else Path(sys.prefix) / SHARED


@dataclass(frozen=True)
class Wanted:
    """What an environment is to hold besides hftd: packages by name, and files of requirements."""

    packages: tuple[str, ...] = ()
    requirements: tuple[Path, ...] = ()

    @property
    def pip_arguments(self) -> list[str]:
        return [*self.packages, *(word for file in self.requirements for word in ("-r", str(file)))]


def check_python(prefix: Path, *, for_service: bool) -> None:
    """Raises HftdError when the service could not run the Python that runs now."""
    base = Path(sys.base_prefix).resolve()
    if for_service and str(base).startswith(UNREACHABLE):
        raise HftdError(
            f"the Python that runs this, {base}, is in a home directory, which a service may not read; "
            "install with the system's: make clean && sudo make install PYTHON=/usr/bin/python3"
        )
    if prefix.exists() and not prefix.is_dir():
        raise HftdError(f"{prefix} is no folder; give another with --prefix DIR")


def install_environment(prefix: Path, wanted: Wanted, say: "Say") -> Path:
    """Make the environment, unless it is there, and point PREFIX/current to it. Returns its folder."""
    distributions = dependencies_of("hftd")
    place = prefix / _digest(distributions, wanted)
    if not (place / COMPLETE).exists():
        say(f"installing into {place}")
        shutil.rmtree(place, ignore_errors=True)
        try:
            _build(place, distributions, wanted, say)
        except OSError as error:
            raise HftdError(f"{error.filename or place}: {error.strerror}; nothing was changed") from error
        except HftdError:
            shutil.rmtree(place, ignore_errors=True)
            raise
        (place / COMPLETE).touch()
    os.utime(place)
    _point(prefix / CURRENT, place.name)
    remove_old(prefix, place)
    return place


class Say:
    """Tells what is going on, on standard error."""

    def __call__(self, line: str) -> None:
        print(f"{line} ...", file=sys.stderr, flush=True)


# What it depends on --------------------------------------------------------------------------------------------------


def dependencies_of(name: str) -> list[Distribution]:
    """The installed distributions that `name` needs, itself not among them, sorted by name."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[str, frozenset[str]]] = [(canonicalize_name(name), frozenset())]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        found[here[0]] = one = _distribution(here[0])
        for text in one.requires or ():
            needed = Requirement(text)
            if _applies(needed, here[1]):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    del found[canonicalize_name(name)]
    return [found[key] for key in sorted(found)]


def _applies(needed: "Requirement", extras: frozenset[str]) -> bool:
    marker = needed.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""}) | {""})


def _distribution(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise HftdError(
            f"the package {name} is missing here, so that it cannot be copied; pip install {name}"
        ) from error


def _digest(distributions: Iterable[Distribution], wanted: Wanted) -> str:
    """12 hexadecimal digits of everything that an environment is made of."""
    total = hashlib.sha256(f"{sys.version} {sys.base_prefix}\n".encode())
    for one in distributions:
        total.update(f"{one.name} {one.version}\n".encode())
    own, origin = Path(hftd.__file__).parent, shipped()
    named = {str(file.relative_to(own)): file for file in _own_files(own)}
    named |= {f"{SHARED}/{file.relative_to(origin)}": file for file in _shipped_files()}
    for name, file in sorted(named.items()):
        total.update(name.encode() + hashlib.sha256(file.read_bytes()).digest())
    for package in sorted(wanted.packages):
        total.update(f"with {package}\n".encode())
    for requirements in sorted(wanted.requirements):
        total.update(requirements.read_bytes())
    return total.hexdigest()[:12]


# Copying -------------------------------------------------------------------------------------------------------------


def _build(place: Path, distributions: Sequence[Distribution], wanted: Wanted, say: Say) -> None:
    venv.EnvBuilder(symlinks=True, clear=True).create(place)
    python = place / "bin" / "python"
    site = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for one in distributions:
        _copy_distribution(one, site)
    _copy_hftd(place, site)
    launcher = place / "bin" / "hftd"
    launcher.write_text(LAUNCHER.format(python=python))
    launcher.chmod(0o755)
    if wanted.pip_arguments:
        say(f"adding {' '.join(wanted.packages) or 'what models ask for'}")
        _add(python, distributions, wanted)
    say("compiling")
    _run([str(python), "-m", "compileall", "-q", "-j", "0", "-x", r"/tests?/", str(site)])
    _run([str(python), "-P", "-c", "import hftd.exchange.market.bots.loop"])


def _copy_distribution(one: Distribution, site: Path) -> None:
    if one.files is None:
        raise HftdError(f"{one.name} {one.version} has no record of its files; install it with pip, then try again")
    for file in one.files:
        if ".." not in file.parts and file.suffix != ".pyc":
            _copy(Path(str(one.locate_file(file))), site / file)


def _copy_hftd(place: Path, site: Path) -> None:
    package = Path(hftd.__file__).parent
    for file in (*_own_files(package), *package.rglob("__pycache__/*.nb?")):
        _copy(file, site / "hftd" / file.relative_to(package))
    origin = shipped()
    for file in _shipped_files():
        _copy(file, place / SHARED / file.relative_to(origin))
    own = _distribution("hftd")
    information = site / f"hftd-{own.version}.dist-info"
    for name in ("METADATA", "WHEEL", "entry_points.txt"):
        if text := own.read_text(name):
            information.mkdir(exist_ok=True)
            (information / name).write_text(text)


def _own_files(package: Path) -> Iterator[Path]:
    yield from (file for file in sorted(package.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)


def _shipped_files() -> Iterator[Path]:
    for name in SHIPPED:
        place = shipped() / name
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (file for file in files if file.is_file() and "__pycache__" not in file.parts)


def _copy(source: Path, target: Path) -> None:
    """Copy a file with its time, and its byte code if that is there: the service's user must be able to read it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    status = source.stat()
    target.chmod(0o755 if status.st_mode & 0o100 else 0o644)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    if source.suffix == ".py":
        with suppress(OSError):
            _copy(Path(cache_from_source(str(source))), Path(cache_from_source(str(target))))


def _add(python: Path, distributions: Iterable[Distribution], wanted: Wanted) -> None:
    """Install what models ask for, without touching what hftd was tested with."""
    pins = python.parent.parent / "pins.txt"
    pins.write_text("".join(f"{one.name}=={one.version}\n" for one in distributions))
    _run([str(python), "-m", "ensurepip"])
    pip = [str(python), "-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check"]
    _run([*pip, "--constraint", str(pins), *wanted.pip_arguments])


def _run(command: Sequence[str]) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "PYTHONPATH")}
    done = subprocess.run(command, env=clean, cwd="/", capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip()[-2000:]
        raise HftdError(f"{' '.join(command)}: ended with status {done.returncode}:\n{last}")


# The current one -----------------------------------------------------------------------------------------------------


def _point(link: Path, target: str) -> None:
    draft = link.with_name(f".{link.name}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)


def remove_old(prefix: Path, current: Path) -> None:
    """Remove the environments that nobody needs any more; `current` is the newest."""
    environments = [path.parent for path in prefix.glob(f"*/{COMPLETE}") if not path.parent.is_symlink()]
    newest_first = sorted(environments, key=lambda place: (place == current, place.stat().st_mtime), reverse=True)
    running = list(_commands())
    for place in newest_first[KEPT:]:
        if not any(command.startswith(os.fsencode(f"{place}/")) for command in running):
            shutil.rmtree(place, ignore_errors=True)


def _commands() -> Iterator[bytes]:
    """The command lines of all processes: a daemon that was not restarted since imports from its environment, and
    starts processes in it, as long as it lives."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield file.read_bytes()
