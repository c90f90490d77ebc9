"""All settings in rows, for `hftd settings --all`."""

from collections.abc import Iterator

from msgspec import Struct
from pydantic import BaseModel

from hftd.settings.sentences import dotted
from hftd.settings.shape import Place, Section, Settings


class SettingRow(Struct, frozen=True):
    """One setting: its dotted name, value as JSON would have it, meaning, and where the value came from."""

    name: str
    value: object
    meaning: str
    origin: str


def settings_table(settings: Settings) -> list[SettingRow]:
    """Every setting in the order of the settings, sections taken apart."""
    return list(_rows(settings, settings, ()))


def _rows(settings: Settings, section: BaseModel, path: Place) -> Iterator[SettingRow]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        place = (*path, name)
        if isinstance(value, Section):
            yield from _rows(settings, value, place)
            continue
        whole = name != "models"  # of each of several models only what was given: a line has to hold them all
        shown = section.model_dump(mode="json", include={name}, exclude_defaults=not whole).get(name)
        yield SettingRow(dotted(place), shown, field.description or "", settings._origins.get(place, "default"))
