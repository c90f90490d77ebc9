import json
from pathlib import Path

from hftd.commands.settings import settings_text
from hftd.commands.text import as_json
from hftd.settings import load_settings, settings_table

SHIPPED = Path(__file__).parent.parent.parent / "settings.yaml"


def lines_of(**options):
    rows = settings_table(load_settings(SHIPPED, {"HFTD_SYMBOLS": "[SPY, QQQ]"}))
    return {line.split()[0]: line for line in settings_text(rows, **options).splitlines()}


def test_all_settings_are_shown_with_value_origin_and_meaning():
    lines = lines_of(everything=True)
    assert lines["symbols"].split("  ")[-1].strip() == "what to trade and to hear data of"
    assert "[SPY, QQQ]" in lines["symbols"]
    assert "HFTD_SYMBOLS" in lines["symbols"]
    assert lines["exchange.cash"].split()[:3] == ["exchange.cash", "100000", "default"]
    assert lines["exchange.speed"].split()[1] == "1"
    assert "{quantity: 5}" in lines["model.parameters"]


def test_without_all_only_what_somebody_set_is_shown():
    lines = lines_of(everything=False)
    assert "risk.max_position" in lines
    assert "exchange.cash" not in lines


def test_settings_are_json_too():
    rows = json.loads(as_json(settings_table(load_settings(SHIPPED))))
    assert {"name": "late_after_s", "value": 10.0, "origin": "default"}.items() <= rows[-1].items()
