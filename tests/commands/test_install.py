"""Installing beneath a folder, as for an image: what goes where, what an upgrade keeps, what a removal leaves."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hftd.commands.install import Places, install, places_of, uninstall
from hftd.commands.install_environment import COMPLETE, Wanted, dependencies_of, install_environment, remove_old
from hftd.errors import CredentialsError, HftdError

MODEL = "import toy_indicator\nfrom hftd import Model\n\n\nclass Toy(Model):\n    pass\n"


def quiet(_line: str) -> None:
    """Tells nothing."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("image")


@pytest.fixture(scope="module")
def places(image: Path) -> Places:
    """Installed once, with a model's own package from a wheel that no index has."""
    made = places_of(Path("/opt/hftd"), {}, for_user=False, root=image)
    wheels = image.with_name("wheels")
    wheels.mkdir()
    write_wheel(wheels, "toy_indicator", "1.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        install(made, ["toy-indicator"], say=quiet)
    return made


def write_wheel(folder: Path, name: str, version: str) -> None:
    """The smallest wheel there is."""
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "ANSWER = 42\n")
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")


def ask(places: Places, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed hftd, in an environment that knows nothing of this one."""
    program = places.at(places.prefix) / "current" / "bin" / "hftd"
    environment = {"PATH": os.environ["PATH"], "HOME": str(places.root), "COLUMNS": "200"}
    return subprocess.run([program, *arguments], env=environment, cwd=places.root, capture_output=True, text=True)


def test_everything_is_where_it_is_looked_for(places: Places, image: Path) -> None:
    files = {str(path.relative_to(image)) for path in image.glob("etc/**/*") if path.is_file()}
    assert files >= {
        "etc/hftd/settings.yaml",
        "etc/hftd/models/volume_17_31.py",
        "etc/systemd/system/hftd.service",
        "etc/systemd/system/hftd-exchange.service",
        "etc/systemd/system/hftd-report.timer",
    }
    assert (image / "usr/local/bin/hftd").readlink() == Path("/opt/hftd/current/bin/hftd")


def test_the_copy_runs_by_itself_and_knows_its_models(places: Places) -> None:
    ended = ask(places, "models", "--json", "--settings", str(places.at(places.configuration) / "settings.yaml"))
    assert ended.returncode == 0, ended.stderr
    assert [model["name"] for model in json.loads(ended.stdout)] == ["crossing", "pair", "quoter", "volume_17_31"]


def test_nothing_of_the_environment_it_was_copied_from_is_used(places: Places) -> None:
    python = places.at(places.prefix) / "current" / "bin" / "python"
    told = subprocess.run(
        [python, "-P", "-c", "import hftd, pandas, sys; print(hftd.__file__, pandas.__file__, *sys.path)"],
        env={"PATH": os.environ["PATH"]},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(Path(sys.prefix)) not in told


def test_a_package_for_a_model_is_there_and_remembered(places: Places) -> None:
    models = places.at(places.configuration) / "models"
    (models / "toy.py").write_text(MODEL)
    ended = ask(places, "models", "--settings", str(models.parent / "settings.yaml"))
    assert "toy_indicator" not in ended.stdout + ended.stderr, ended
    assert (models.parent / "packages.txt").read_text() == "toy-indicator\n"
    (models / "toy.py").unlink()


def test_installing_again_keeps_what_is_the_owners(places: Places) -> None:
    settings = places.at(places.configuration) / "settings.yaml"
    settings.write_text(settings.read_text() + "late_after_s: 12\n")
    current = (places.at(places.prefix) / "current").readlink()
    install(places, say=quiet)
    assert "late_after_s: 12" in settings.read_text()
    assert (places.at(places.prefix) / "current").readlink() == current


def test_a_package_that_cannot_be_had_leaves_everything_as_it_was(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    current = (places.at(places.prefix) / "current").readlink()
    with pytest.raises(HftdError, match="no-such-package"):
        install_environment(places.at(places.prefix), Wanted(("no-such-package",)), quiet)
    assert (places.at(places.prefix) / "current").readlink() == current
    assert (places.at(places.configuration) / "packages.txt").read_text() == "toy-indicator\n"


def test_keys_that_are_not_there_are_missed_before_anything_is_done(places: Places) -> None:
    with pytest.raises(CredentialsError, match="no such file of keys"):
        install(places, (), "nowhere", say=quiet)


def test_removing_leaves_what_is_the_owners(places: Places, image: Path) -> None:
    state = places.at(places.state)
    state.mkdir(parents=True)
    (state / "run-id").write_text("1")
    told = uninstall(places)
    assert told == "uninstalled; kept: /etc/hftd, /var/lib/private/hftd"
    left = sorted(str(path.relative_to(image)) for path in image.rglob("*") if path.is_file() or path.is_symlink())
    assert left == ["etc/hftd/packages.txt", "etc/hftd/settings.yaml", "var/lib/private/hftd/run-id"]
    assert uninstall(places, purge=True) == "uninstalled; nothing is left"


def test_the_environment_of_a_daemon_that_was_not_restarted_stays(tmp_path: Path) -> None:
    """Two upgrades without a restart: what it imports late, and starts, comes from there."""
    oldest, idle, before, current = (tmp_path / name for name in ("oldest", "idle", "before", "current-one"))
    for age, place in enumerate((oldest, idle, before, current)):
        (place / "bin").mkdir(parents=True)
        (place / "bin" / "python").symlink_to("/bin/sleep")
        (place / COMPLETE).touch()
        os.utime(place, (age, age))
    with subprocess.Popen([oldest / "bin" / "python", "60"]) as daemon:
        while not Path(f"/proc/{daemon.pid}/cmdline").read_bytes():
            os.sched_yield()  # it is being executed
        remove_old(tmp_path, current)
        assert [place.exists() for place in (oldest, idle, before, current)] == [True, False, True, True]
        daemon.kill()
    remove_old(tmp_path, current)
    assert [place.exists() for place in (oldest, before, current)] == [False, True, True]


def test_only_what_it_needs_is_copied() -> None:
    names = {one.name.lower() for one in dependencies_of("hftd")}
    assert names >= {"numba", "llvmlite", "pandas", "aiohttp", "typer", "packaging"}
    assert not names & {"pytest", "mypy", "ruff", "hypothesis", "hftd"}


def test_a_users_own_places_follow_the_base_directories() -> None:
    places = places_of(None, {"HOME": "/home/me", "XDG_CONFIG_HOME": "/home/me/conf"}, for_user=True)
    assert (str(places.prefix), str(places.configuration), str(places.units)) == (
        "/home/me/.local/share/hftd",
        "/home/me/conf/hftd",
        "/home/me/conf/systemd/user",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_a_system_service_needs_root() -> None:
    with pytest.raises(HftdError, match="sudo hftd install"):
        install(places_of(None, {}, for_user=False))
