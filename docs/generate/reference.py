"""Writes the pages of the reference that the code itself knows, and the manual page.

    python docs/generate/reference.py            writes them
    python docs/generate/reference.py --check    exit status 1 when one is not what it would write

The pages are kept in the repository, so that they can be read without building anything; a test holds them equal.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from hftd import errors
from hftd.cli import app
from hftd.exchange.server.app import DATA, TRADING
from hftd.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
NOTE = "<!-- Written by docs/generate/reference.py from the code; change it there. -->\n\n"


# Commands ------------------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, those of groups too."""
    yield from _commands(typer.main.get_command(app), "hftd")


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(None):
        command = group.commands[name]
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")
        elif not command.hidden:
            yield f"{prefix} {name}", command


def choices_of(command: Any, parameter: Any) -> tuple[str, ...]:
    """The words that an option takes; none when it takes any."""
    hint = get_type_hints(command.callback, include_extras=True).get(parameter.name)
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return tuple(map(str, get_args(hint))) if get_origin(hint) is Literal else ()


def value_of(command: Any, parameter: Any) -> str:
    """What stands for an option's value: N, FILE, or its choices."""
    if getattr(parameter, "is_flag", False):
        return ""
    return "|".join(choices_of(command, parameter)) or parameter.metavar or parameter.name.upper()


def options_of(command: Any) -> list[Any]:
    """The options and arguments that are shown."""
    return [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]


def usage_of(name: str, command: Any) -> str:
    """hftd models NAME [options]."""
    arguments = [
        parameter.metavar or parameter.name.upper()
        for parameter in options_of(command)
        if parameter.param_type_name == "argument"
    ]
    words = [
        word if parameter.required else f"[{word}]"
        for word, parameter in zip(arguments, _arguments(command), strict=True)
    ]
    options = ["[options]"] if any(p.param_type_name == "option" for p in options_of(command)) else []
    return " ".join([name, *words, *options])


def _arguments(command: Any) -> list[Any]:
    return [parameter for parameter in options_of(command) if parameter.param_type_name == "argument"]


def commands_page() -> str:
    lines = [
        "# Commands",
        "",
        "Data go to standard output, logs to standard error. `--help` of each says the same, as does "
        "`man hftd` of an installed hftd. `hftd --install-completion` lets your shell complete commands and options.",
    ]
    for name, command in commands():
        lines += ["", f"## {name}", "", f"    {usage_of(name, command)}", "", *_help_lines(command)]
        if options_of(command):
            lines += ["", "| option | meaning | default |", "| --- | --- | --- |"]
            lines += [_option_row(command, parameter) for parameter in options_of(command)]
    return "\n".join(lines) + "\n"


def _help_lines(command: Any) -> list[str]:
    """The help text; what follows `Example:` as code."""
    lines = []
    for line in inspect.cleandoc(command.help or "").splitlines():
        words, example, code = line.partition("Example: ")
        lines.append(f"Example: `{code}`" if example and not words else line)
    return lines


def _option_row(command: Any, parameter: Any) -> str:
    names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else ""
    value = value_of(command, parameter).replace("|", "\\|")
    default = parameter.default
    shown = "" if default in (None, False, "", ()) or callable(default) else f"`{default}`"
    return f"| `{' '.join(filter(None, (names, value)))}` | {_cell(parameter.help or '')} | {shown} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# Settings ------------------------------------------------------------------------------------------------------------


def settings() -> Iterator[tuple[str, str, str, str]]:
    """Every setting: its name, its default, what it may be, its meaning."""
    yield from _settings(Settings, "")


def _settings(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in section.model_fields.items():
        inner, many = _section_of(field.annotation)
        path = f"{prefix}{name}"
        default = _default_text(field.default) if inner is None else ""
        yield path, default, _choices_text(field.annotation), field.description or ""
        if inner is not None:
            yield from _settings(inner, f"{path}[]." if many else f"{path}.")


def _section_of(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The section that a setting holds, if any, and whether it holds several."""
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        return annotation, False
    for part in get_args(annotation):
        inner, many = _section_of(part)
        if inner is not None:
            return inner, many or get_origin(annotation) is tuple
    return None, False


def _default_text(default: Any) -> str:
    if default is PydanticUndefined:
        return ""
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return f"[{', '.join(map(str, default))}]"
    return str(default.normalize() if isinstance(default, Decimal) and default % 1 else default)


def _choices_text(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(map(str, get_args(annotation)))
    return next((found for part in get_args(annotation) if (found := _choices_text(part))), "")


def settings_page() -> str:
    lines = [
        "# Settings",
        "",
        "`settings.yaml` holds what differs from the defaults; a section with nothing under it has them. "
        "`hftd settings --all` shows every value in force and "
        "where it came from. An environment variable goes over the file: `HFTD_` and the name in capitals, with two "
        "underscores for each dot (`HFTD_RISK__MAX_POSITION=50`). Options of a command go over both. An unknown name "
        "is refused, with the nearest that there is.",
        "",
        "| setting | default | meaning |",
        "| --- | --- | --- |",
    ]
    for path, default, choices, meaning in settings():
        told = f"{meaning} ({choices})" if choices and choices.split(", ")[0] not in meaning else meaning
        lines.append(f"| `{path}` | {f'`{default}`' if default else ''} | {_cell(told)} |")
    return "\n".join(lines) + "\n"


# The rest of what the code knows -------------------------------------------------------------------------------------


def exit_codes() -> Iterator[tuple[int, str]]:
    """Exit statuses and what they mean."""
    yield 0, "it went as asked"
    yield 1, "it failed, for a reason that may pass: the sentence on standard error says which"
    yield 2, "usage: an unknown command or option, or a value of the wrong kind"
    yield errors.ConfigurationError.exit_status, "configuration: only its user can mend it; systemd does not restart"
    yield 130, "interrupted by Ctrl-C"


def exit_codes_page() -> str:
    lines = ["# Exit codes and errors", "", "| status | meaning |", "| --- | --- |"]
    lines += [f"| {status} | {meaning} |" for status, meaning in exit_codes()]
    tree = inspect.cleandoc(errors.__doc__ or "")
    return "\n".join([*lines, "", "The errors, as the code names them:", "", "```text", tree, "```"]) + "\n"


def endpoints_page() -> str:
    lines = [
        "# Endpoints of the simulated exchange",
        "",
        "The paths, fields and codes are Alpaca's, so any of its clients works: see [the exchange](../exchange.md). "
        "Requests bear the headers `APCA-API-KEY-ID` and `APCA-API-SECRET-KEY`.",
    ]
    for title, table in (("Trading", TRADING), ("Market data", DATA)):
        lines += ["", f"## {title}", "", "| method | path |", "| --- | --- |"]
        lines += [f"| {method} | `{path}` |" for method, path, _ in table]
    lines += [
        "",
        "## Sockets",
        "",
        "| path | |",
        "| --- | --- |",
        "| `/v2/iex`, `/v2/sip`, `/v2/delayed_sip` | trades, quotes, bars, updatedBars, dailyBars, statuses |",
        "| `/stream` | trade updates |",
        "| `/hftd/book/SYMBOL` | the order book: ten levels of bids and asks |",
        "| `/hftd/clock` | the exchange's time, speed and leaps; lockstep |",
    ]
    return "\n".join(lines) + "\n"


def manual() -> str:
    """The manual page, in troff's man macros."""
    lines = [
        '.\\" Written by docs/generate/reference.py from the commands; change it there.',
        '.TH HFTD 1 "" "hftd" "User Commands"',
        ".SH NAME",
        "hftd \\- a paper\\-trading daemon with swappable statistical models",
        ".SH SYNOPSIS",
        ".B hftd",
        ".I command",
        "[options]",
        ".SH COMMANDS",
    ]
    for name, command in commands():
        lines += [".SS " + _troff(usage_of(name, command)), _troff_text(command.help or "")]
        for parameter in options_of(command):
            names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else ""
            value = value_of(command, parameter)
            title = " ".join(filter(None, (f"\\fB{_troff(names)}\\fR" if names else "", f"\\fI{_troff(value)}\\fR")))
            lines += [".TP", title if value else f"\\fB{_troff(names)}\\fR", _troff_text(parameter.help or "")]
    lines += [".SH EXIT STATUS"]
    for status, meaning in exit_codes():
        lines += [".TP", f"\\fB{status}\\fR", _troff_text(meaning)]
    lines += [".SH FILES", ".TP", "\\fI./settings.yaml\\fR, \\fI/etc/hftd/settings.yaml\\fR", "Settings."]
    lines += [".TP", "\\fI~/.local/state/hftd\\fR, \\fI/var/lib/hftd\\fR", "Journals and accounts."]
    return "\n".join(lines) + "\n"


def _troff(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


def _troff_text(text: str) -> str:
    """Paragraphs; a line that would begin a request is shielded."""
    shielded = (f"\\&{line}" if line.startswith((".", "'")) else line for line in _troff(text).splitlines())
    return "\n".join(line if line else ".PP" for line in shielded)


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/commands.md": lambda: NOTE + commands_page(),
    "docs/reference/settings.md": lambda: NOTE + settings_page(),
    "docs/reference/exit-codes.md": lambda: NOTE + exit_codes_page(),
    "docs/reference/endpoints.md": lambda: NOTE + endpoints_page(),
    "deploy/hftd.1": manual,
}


def main() -> int:
    stale = [path for path, make in PAGES.items() if not (ROOT / path).exists() or (ROOT / path).read_text() != make()]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path} is not what the code says: run python docs/generate/reference.py")
        return 1 if stale else 0
    for path in stale:
        (ROOT / path).write_text(PAGES[path]())
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
