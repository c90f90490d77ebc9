"""Every link and anchor resolves, every sample is correct, every block marked runnable runs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if "vendor" not in page.parts)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUNNABLE = re.compile(r"^<!-- run -->\n+((?:    [^\n]*\n|\n)+|```.*?^```)", re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip("` ")).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no {target}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors_of(target), f"{link}: no such heading"


def samples() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, (language, code) in enumerate(FENCE.findall(page.read_text("utf-8"))):
            if language == "python":
                yield f"{re.sub(r'[^a-z0-9]', '_', str(page.relative_to(ROOT)).lower())}_{number}", code


def test_samples_are_well_typed(tmp_path: Path) -> None:
    """Each sample is a module; what a reader has at hand already is declared."""
    at_hand = "from typing import Any\nkey: str\nsecret: str\nexchange: Any\n"
    for name, code in samples():
        (tmp_path / f"{name}.py").write_text(at_hand + code)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--config-file=", "--ignore-missing-imports", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def script_of(block: str) -> str:
    """The commands of a block, fenced or indented."""
    if block.startswith("```"):
        return re.sub(r"^```.*$", "", block, flags=re.MULTILINE)
    return re.sub(r"^    ", "", block, flags=re.MULTILINE)


def runnable() -> Iterator[tuple[str, list[str]]]:
    """The blocks marked `<!-- run -->` of each page, in order."""
    for page in PAGES:
        blocks = [script_of(block) for block in RUNNABLE.findall(page.read_text("utf-8"))]
        if blocks:
            yield str(page.relative_to(ROOT)), blocks


@pytest.mark.parametrize(
    ("page", "blocks"), list(runnable()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_blocks_marked_runnable_run(page: str, blocks: list[str], tmp_path: Path) -> None:
    """In a folder that has what a fresh clone has, one after the other."""
    for name in ("settings.yaml", "models"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    commands = Path(sys.executable).parent
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(commands)
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "HOME": str(home),
        "EDITOR": "true",
        "LANG": "C.UTF-8",
        **({"HFTD_DATA": os.environ["HFTD_DATA"]} if "HFTD_DATA" in os.environ else {}),
    }
    for block in blocks:
        script = f"set -e\n{block}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{page}:\n{script}\n{done.stdout}\n{done.stderr}"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", "docs/generate/mkdocs.yml", "-d", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    built = (tmp_path / "explanation/architecture.html").read_text("utf-8")
    assert 'class="mermaid"' in built
    loaded = re.findall(r'(?:src|href)="(https?://[^"]*)"', built)
    assert not [address for address in loaded if address.endswith((".js", ".css", ".woff2"))]
