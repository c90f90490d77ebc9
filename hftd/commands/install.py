"""`hftd install` and `hftd uninstall`: hftd as a service, of the system or of one user.

Installing again upgrades: settings, models, keys and state stay. Nothing is started or restarted: that is the owner's.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hftd.commands.install_environment import CURRENT, SHARED, Say, Wanted, check_python, install_environment, shipped
from hftd.commands.install_keys import asked_keys, remove_keys, store_keys, write_environment_file
from hftd.errors import HftdError

GROUP = "hftd"
PACKAGES = "packages.txt"
"""The file beside the settings that keeps what was installed for models."""
SHIPPED_PREFIX = "/opt/hftd"
"""What the shipped units say."""
SYSTEM_UNITS = ("hftd.service", "hftd-exchange.service", "hftd-report.service", "hftd-report.timer")
EXCHANGE_DROP_IN = """# The daemon trades on the exchange of hftd-exchange.service.
[Unit]
Wants=hftd-exchange.service

[Service]
Environment=HFTD_BROKER__URL=http://127.0.0.1:8090
LoadCredential=exchange_keys:/var/lib/private/hftd-exchange/keys.json
"""


@dataclass(frozen=True)
class Places:
    """Where an installation stands. `root` is / but for an image; paths that units name are without it."""

    prefix: Path
    configuration: Path
    units: Path
    link: Path
    state: Path
    cache: Path
    for_user: bool
    root: Path = Path("/")

    def at(self, path: Path) -> Path:
        """`path` beneath the root."""
        return self.root / path.relative_to("/")

    @property
    def links(self) -> dict[Path, Path]:
        """What stands on the path and among the manual pages, and what it leads to."""
        current = self.prefix / CURRENT
        manual = self.link.parents[1] / "share" / "man" / "man1" / "hftd.1"
        return {self.link: current / "bin" / "hftd", manual: current / SHARED / "deploy" / "hftd.1"}

    @property
    def drop_ins(self) -> Path:
        return self.units / "hftd.service.d"

    @property
    def is_live(self) -> bool:
        """Whether this machine's service manager is to be told."""
        return self.root == Path("/")


def places_of(
    prefix: Path | None, environment: Mapping[str, str], *, for_user: bool, root: Path | None = None
) -> Places:
    """Where things go, by the XDG base directories for a user and the file system hierarchy for the system."""
    if not for_user:
        return Places(
            prefix=(prefix or Path(SHIPPED_PREFIX)).absolute(),
            configuration=Path("/etc/hftd"),
            units=Path("/etc/systemd/system"),
            link=Path("/usr/local/bin/hftd"),
            state=Path("/var/lib/private/hftd"),
            cache=Path("/var/cache/private/hftd"),
            for_user=False,
            root=root.absolute() if root else Path("/"),
        )
    home = Path(environment.get("HOME") or Path.home())

    def folder(variable: str, default: str) -> Path:
        return Path(environment.get(variable) or home / default)

    configuration = folder("XDG_CONFIG_HOME", ".config")
    return Places(
        prefix=(prefix or folder("XDG_DATA_HOME", ".local/share") / "hftd").absolute(),
        configuration=configuration / "hftd",
        units=configuration / "systemd" / "user",
        link=home / ".local" / "bin" / "hftd",
        state=folder("XDG_STATE_HOME", ".local/state") / "hftd",
        cache=folder("XDG_CACHE_HOME", ".cache") / "hftd",
        for_user=True,
    )


# Installing ----------------------------------------------------------------------------------------------------------


def install(
    places: Places,
    packages: Sequence[str] = (),
    keys: str | None = None,
    *,
    exchange: bool = False,
    say: Say | None = None,
) -> str:
    """Put everything in its place, or bring it up to date. Returns what its owner should know now.

    Raises HftdError with what hinders it; what ran before then runs on.
    """
    _check_may_write(places)
    check_python(places.at(places.prefix), for_service=places.is_live and not places.for_user)
    os.umask(0o022)
    given = asked_keys(keys) if keys else None
    try:
        _place_settings(places)
        wanted = _wanted(places, packages)
        install_environment(places.at(places.prefix), wanted, say or Say())
        _remember(places, wanted)
        _place_units(places, exchange=exchange)
        _link(places)
    except OSError as error:
        raise HftdError(
            f"{error.filename}: {error.strerror}; see that it can be written, then install again"
        ) from error
    if given is not None and places.for_user:
        write_environment_file(given, places.configuration / "keys.env")
    elif given is not None:
        store_keys(given, places.at(Path("/etc")), places.at(places.drop_ins))
    if places.is_live:
        _tell_manager(places)
    return installed_text(places)


def _check_may_write(places: Places) -> None:
    if places.is_live and not places.for_user and os.geteuid() != 0:
        raise HftdError("installing a system service needs root: sudo hftd install; hftd install --user does not")
    if places.for_user and os.geteuid() == 0 and "SUDO_USER" in os.environ:
        raise HftdError("hftd install --user is for a user's own service: call it without sudo")


def _place_settings(places: Places) -> None:
    """Settings and models are the owner's from the first installation on."""
    configuration = places.at(places.configuration)
    configuration.mkdir(parents=True, exist_ok=True)
    for file, target in _first_files(configuration):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _first_files(configuration: Path) -> Iterator[tuple[Path, Path]]:
    """What is shipped, and where it goes as long as its owner has nothing there."""
    origin = shipped()
    if not (configuration / "settings.yaml").exists():
        yield origin / "settings.yaml", configuration / "settings.yaml"
    if not (configuration / "models").exists():
        yield from _shipped_models(configuration)


def _shipped_models(configuration: Path) -> Iterator[tuple[Path, Path]]:
    models = shipped() / "models"
    for file in sorted(models.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file, configuration / "models" / file.relative_to(models)


def _wanted(places: Places, packages: Sequence[str]) -> Wanted:
    """The packages asked for now and before, and the requirements of the models."""
    configuration = places.at(places.configuration)
    known = configuration / PACKAGES
    lines = known.read_text().split("\n") if known.exists() else []
    names = tuple(dict.fromkeys(line.strip() for line in (*lines, *packages) if line.strip()))
    models = configuration / "models"
    return Wanted(names, tuple(sorted((*models.glob("requirements.txt"), *models.glob("*/requirements.txt")))))


def _remember(places: Places, wanted: Wanted) -> None:
    """An upgrade puts the same packages into the next environment."""
    if wanted.packages:
        (places.at(places.configuration) / PACKAGES).write_text("\n".join(wanted.packages) + "\n")


def _place_units(places: Places, *, exchange: bool) -> None:
    units = places.at(places.units)
    units.mkdir(parents=True, exist_ok=True)
    for origin, name in _units_of(places):
        text = (shipped() / "deploy" / origin).read_text()
        (units / name).write_text(text.replace(SHIPPED_PREFIX, str(places.prefix)))
    if exchange and not places.for_user:
        drop_ins = places.at(places.drop_ins)
        drop_ins.mkdir(parents=True, exist_ok=True)
        (drop_ins / "exchange.conf").write_text(EXCHANGE_DROP_IN)


def _units_of(places: Places) -> list[tuple[str, str]]:
    """(shipped name, installed name) of each unit."""
    return [("hftd.user.service", "hftd.service")] if places.for_user else [(name, name) for name in SYSTEM_UNITS]


def _link(places: Places) -> None:
    """The command for the path and its manual page, unless something else stands there."""
    for path, target in places.links.items():
        link = places.at(path)
        if link.is_symlink() or not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def _tell_manager(places: Places) -> None:
    if not places.for_user:
        _run(["systemd-sysusers", "--inline", f"g {GROUP} - -"])
        shutil.rmtree(
            places.cache / "numba", ignore_errors=True
        )  # of the environment before; the new one brings its own
    _run([*_systemctl(places), "daemon-reload"])


def _systemctl(places: Places) -> list[str]:
    return ["systemctl", *(["--user"] if places.for_user else [])]


def _run(command: Sequence[str]) -> None:
    """What the service manager does not do now it does at the next boot."""
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return
    if done.returncode:
        Say()(f"{' '.join(command)}: {done.stderr.strip() or f'status {done.returncode}'}; going on")


def installed_text(places: Places) -> str:
    """The three commands of the owner, and where things are."""
    sudo, user = ("", " --user") if places.for_user else ("sudo ", "")
    needed = {
        f"{sudo}systemctl{user} enable --now hftd": "start it, now and at each boot",
        f"journalctl{user} -u hftd -f": "what it does",
        f"{sudo}hftd status": "how it stands",
    }
    lines = [
        f"installed in {places.prefix}; settings and models in {places.configuration}",
        "",
        *(f"    {command:{max(map(len, needed))}}  # {what}" for command, what in needed.items()),
        "",
        f"After a change of settings or models: {sudo}systemctl{user} reload hftd. After an upgrade: restart.",
    ]
    if places.for_user:
        lines.append("To let it run while you are logged out: loginctl enable-linger")
    else:
        lines.append(f"To do without sudo for hftd status, halt and the like: sudo usermod -aG {GROUP} $USER")
    return "\n".join(lines)


# Uninstalling --------------------------------------------------------------------------------------------------------


def uninstall(places: Places, *, purge: bool = False) -> str:
    """Stop it and remove what `install` has put there. State stays, and what its owner has changed of settings and
    models, unless `purge`. Returns what is left."""
    _check_may_write(places)
    if places.is_live:
        names = [name for _, name in _units_of(places)]
        _run([*_systemctl(places), "disable", "--now", *(name for name in names if (places.units / name).exists())])
    _remove_units(places)
    for link in filter(Path.is_symlink, map(places.at, places.links)):
        link.unlink()
    shutil.rmtree(places.at(places.cache), ignore_errors=True)
    _remove_configuration(places, purge=purge)
    if purge:
        shutil.rmtree(places.at(places.state), ignore_errors=True)
    _remove_links(places, purge=purge)
    if places.is_live:
        _tell_uninstalled(places)
    shutil.rmtree(places.at(places.prefix), ignore_errors=True)  # last: this may run from there
    kept = [place for place in (places.configuration, places.state) if places.at(place).exists()]
    return f"uninstalled; kept: {', '.join(map(str, kept))}" if kept else "uninstalled; nothing is left"


def _remove_units(places: Places) -> None:
    if not places.for_user:
        remove_keys(places.at(Path("/etc")), places.at(places.drop_ins))
        (places.at(places.drop_ins) / "exchange.conf").unlink(missing_ok=True)
        _remove_if_empty(places.at(places.drop_ins))
    for _, name in _units_of(places):
        (places.at(places.units) / name).unlink(missing_ok=True)


def _remove_configuration(places: Places, *, purge: bool) -> None:
    configuration = places.at(places.configuration)
    if purge:
        shutil.rmtree(configuration, ignore_errors=True)
        return
    pairs = [(shipped() / "settings.yaml", configuration / "settings.yaml"), *_shipped_models(configuration)]
    for file, target in pairs:
        if target.is_file() and file.is_file() and target.read_bytes() == file.read_bytes():
            target.unlink()
    for folder in (configuration / "models", configuration):
        _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _remove_links(places: Places, *, purge: bool) -> None:
    """What systemd has put beside a dynamic user's directories."""
    if places.for_user:
        return
    for link, target in ((Path("/var/cache/hftd"), places.cache), (Path("/var/lib/hftd"), places.state)):
        if places.at(link).is_symlink() and (purge or target == places.cache):
            places.at(link).unlink()


def _tell_uninstalled(places: Places) -> None:
    _run([*_systemctl(places), "daemon-reload"])
    _run([*_systemctl(places), "reset-failed"])
    if not places.for_user:
        _run(["groupdel", GROUP])
