"""`hftd settings`: every setting with its value, meaning and origin."""

from hftd.commands.text import columns
from hftd.settings import SettingRow


def settings_text(rows: list[SettingRow], *, everything: bool) -> str:
    """A line for each setting: name, value, origin, meaning; without `everything` only those that somebody set."""
    shown = [row for row in rows if everything or row.origin != "default"]
    return columns([("setting", "value", "from", "meaning"), *map(_cells, shown)])


def _cells(row: SettingRow) -> tuple[str, str, str, str]:
    return row.name, _value_text(row.value), row.origin, row.meaning


def _value_text(value: object) -> str:
    """As it would be written in settings.yaml."""
    match value:
        case None:
            return "none"
        case list():
            return f"[{', '.join(map(_value_text, value))}]"
        case dict():
            return f"{{{', '.join(f'{name}: {_value_text(item)}' for name, item in value.items())}}}"
        case float() if value.is_integer():
            return str(int(value))
    return str(value)
