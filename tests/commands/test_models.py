import json
from pathlib import Path

from hftd.commands.models import list_models, models_text
from hftd.commands.text import as_json

SHIPPED = Path(__file__).parent.parent.parent / "models"


def test_shipped_models_are_listed_with_parameters_and_fingerprint():
    rows = {row.name: row for row in list_models(SHIPPED)}
    toy = rows["volume_17_31"]
    assert [(row.name, row.type, row.default) for row in toy.parameters] == [
        ("sell_multiple", "int", 17),
        ("buy_multiple", "int", 31),
        ("quantity", "int", 5),
    ]
    assert len(toy.fingerprint) == 64
    text = models_text(list(rows.values()), SHIPPED)
    assert f"volume_17_31  {toy.fingerprint[:12]}\n  If volume is a multiple of 17 sell" in text
    assert "\n  quantity: int = 5" in text


def test_broken_models_are_listed_with_their_reason(tmp_path):
    (tmp_path / "broken.py").write_text("def on_bar(:\n")
    (tmp_path / "needs.py").write_text(
        "from typing import Annotated\nfrom hftd import Model\nclass Needs(Model):\n"
        "    size: Annotated[int, 'shares']\n    on: bool = True\n"
    )
    rows = list_models(tmp_path)
    assert models_text(rows, tmp_path) == (
        f"broken  cannot be loaded\n  {tmp_path}/broken.py:1: invalid syntax: def on_bar(:\n\n"
        "needs\n  size: int required  shares\n  on: bool = True"
    )
    broken, needs = json.loads(as_json(rows))
    assert broken["name"] == "broken"
    assert broken["problem"].startswith(f"{tmp_path}/broken.py:1: ")
    assert needs["parameters"][0]["is_required"] is True


def test_an_empty_folder_says_how_to_start(tmp_path):
    assert models_text(list_models(tmp_path), tmp_path) == f"no models in {tmp_path}; hftd new NAME starts one"
