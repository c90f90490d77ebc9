"""The reference says what the code says: settings, commands, exit codes, endpoints, environment, the manual page."""

import re
import subprocess
import sys
from pathlib import Path

from hftd.engine.halts import ENDS, MANUAL
from hftd.settings import load_settings

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\b(?:HFTD|APCA)_[A-Z][A-Z_]*[A-Z]\b")
READ = re.compile(r"(?:environ|getenv)\W[^\n]*?[\"']((?:HFTD|APCA)_[A-Z_]+)[\"']")
FIELDS_OF_THE_LOG = {"HFTD_EVENT", "HFTD_TIME"}
"""Not variables: names of fields in systemd's journal."""


def test_the_generated_pages_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_every_environment_variable_is_in_the_reference_and_every_one_there_is_read() -> None:
    code = "\n".join(file.read_text("utf-8") for file in (ROOT / "hftd").rglob("*.py"))
    tests = "\n".join(file.read_text("utf-8") for file in (ROOT / "tests").glob("**/test_*.py"))
    read = {*VARIABLE.findall(code), *READ.findall(tests)} - FIELDS_OF_THE_LOG
    told = set(VARIABLE.findall((ROOT / "docs/reference/environment.md").read_text("utf-8")))
    assert told == {name for name in read if "__" not in name} | {"HFTD_SECTION__NAME"}


def test_a_variable_that_is_told_is_taken_for_no_unknown_setting() -> None:
    told = VARIABLE.findall((ROOT / "docs/reference/environment.md").read_text("utf-8"))
    load_settings(ROOT / "settings.yaml", {name: "1" for name in told if name != "HFTD_SECTION__NAME"})


def test_every_halt_is_told_with_what_ends_it() -> None:
    by_code = re.compile(r"(?:_halt|Halt)\((?:rule=)?\"([a-z_]+)\"")
    code = "\n".join(file.read_text("utf-8") for file in (ROOT / "hftd").rglob("*.py"))
    page = (ROOT / "docs/risk.md").read_text("utf-8").partition("| halt | why | ends |")[2]
    assert sorted(rule for rule in {MANUAL, *ENDS, *by_code.findall(code)} if f"`{rule}`" not in page) == []


def test_every_command_has_an_example_in_its_help() -> None:
    page = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    sections = page.split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections if "\nExample: `hftd" not in section] == []


def test_the_shell_completes_commands() -> None:
    asked = {"_HFTD_COMPLETE": "complete_bash", "COMP_WORDS": "hftd st", "COMP_CWORD": "1", "PATH": "/usr/bin:/bin"}
    hftd = Path(sys.executable).parent / "hftd"
    done = subprocess.run([hftd], env=asked, capture_output=True, text=True)
    assert done.stdout.split() == ["status"]
