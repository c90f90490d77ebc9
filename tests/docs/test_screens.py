"""The script that makes pictures of terminals: real commands, text as text, nothing fetched."""

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs/generate/screens.py"))


def test_a_command_is_shown_as_on_a_terminal(script: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "settings.yaml").write_text("symbols: [SPY]\nmodel: mine\n")
    heard = script["shown_by"](["new", "mine"], tmp_path)
    assert "mine.py" in heard
    assert str(tmp_path) not in heard
    svg = script["picture"]("hftd new mine", heard)
    assert "hftd&#160;new&#160;mine" in svg
    assert "url(http" not in svg


def test_long_output_is_shown_in_part(script: dict[str, Any]) -> None:
    svg = script["picture"]("hftd", "\n".join(f"line-{number}" for number in range(100)), first=3, last=2)
    shown = [number for number in range(100) if f">line-{number}<" in svg]
    assert shown == [0, 1, 2, 98, 99]


def test_the_last_frame_of_a_screen_is_the_last_whole_one(script: dict[str, Any]) -> None:
    assert script["last_frame"]("\x1b[Hone\x1b[Htwo\x1b[Hthr") == "two"


@pytest.mark.parametrize("image", sorted((ROOT / "docs/images").glob("*.svg")), ids=lambda image: image.name)
def test_a_picture_is_small_and_fetches_nothing(image: Path) -> None:
    text = image.read_text("utf-8")
    assert len(text) < 60_000
    assert "url(http" not in text
