import os
import sys
from decimal import Decimal, getcontext

import pytest

from hftd.errors import ModelError
from hftd.model.load import find_model, fingerprint, load_model, model_names
from hftd.model.parameters import build, checked

QUIET = "from hftd import Model\nclass Quiet(Model):\n    '''Does nothing.\n\n    At all.'''\n    number: int = 1\n"


@pytest.fixture
def write(tmp_path):
    def write_files(**files: str):
        for name, text in files.items():
            file = tmp_path / f"{name.replace('__', '/')}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write_files


def refusal(name, folder) -> str:
    with pytest.raises(ModelError) as refused:
        load_model(name, folder)
    return str(refused.value).replace(f"{folder}/", "")


def test_a_file_and_a_folder_are_models(write):
    folder = write(quiet=QUIET, deep__init=QUIET, _hidden=QUIET)
    (folder / "deep/init.py").rename(folder / "deep/__init__.py")
    (folder / "notes.txt").touch()
    assert model_names(folder) == ["deep", "quiet"]
    assert find_model("deep", folder) == folder / "deep"
    loaded = load_model("quiet", folder)
    assert (loaded.name, loaded.path, loaded.description) == ("quiet", folder / "quiet.py", "Does nothing.")
    assert model_names(folder / "nowhere") == []


def test_a_file_that_sets_the_precision_sets_it_for_nobody_else(write):
    text = "from decimal import getcontext\nfrom hftd import Model\ngetcontext().prec = 4\nclass M(Model): pass\n"
    load_model("m", write(m=text))
    assert getcontext().prec == 28


def test_an_unknown_model_is_answered_with_the_nearest_or_the_list(write):
    folder = write(quiet=QUIET, momentum=QUIET)
    assert refusal("momentun", folder).endswith("; did you mean momentum?")
    assert refusal("zzz", folder).endswith("; valid: momentum, quiet")
    assert refusal("../quiet", folder).startswith("no model ../quiet in ")
    assert "hftd new NAME starts one" in refusal("zzz", folder / "nowhere")


def test_a_file_or_folder_that_cannot_be_a_model_is_told_why(write):
    folder = write(quiet=QUIET)
    (folder / "my-model.py").write_text(QUIET)
    (folder / "bare").mkdir()
    assert refusal("my-model", folder).startswith("my-model.py: my-model cannot be a model's name: expected")
    assert refusal("my-modle", folder).endswith("; valid: quiet")
    assert refusal("bare", folder) == "bare: has no __init__.py, which would hold the model's class"


def test_two_models_of_one_name_are_refused(write):
    folder = write(quiet=QUIET, quiet__x="")
    (folder / "quiet/x.py").rename(folder / "quiet/__init__.py")
    assert "found both quiet.py and quiet/" in refusal("quiet", folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (QUIET + "    def on_bar(self, bar)\n        pass\n", "m.py:7: expected ':': def on_bar(self, bar)"),
        (
            "import os\nimport no_such_package.part\n",
            "m.py:2: needs the package no_such_package, which is not installed",
        ),
        ("from os import no_such_name\n", "m.py:1: ImportError: cannot import name 'no_such_name'"),
        ("\n1 / 0\n", "m.py:2: ZeroDivisionError: division by zero"),
        ("def f():\n    raise ValueError('odd')\nf()\n", "m.py:2: ValueError: odd"),
        ("import sys\nsys.exit(3)\n", "m.py:2: ends the process; a model only returns"),
        ("x = 1\n", "m.py: defines no model; expected one class NAME(Model)"),
        ("from hftd import Model\n", "m.py: defines no model"),
        (QUIET + "class Second(Quiet): pass\n", "m.py: found models Quiet, Second, expected one"),
        (QUIET + "    def on_bars(self, bar): pass\n", "m.py:7: on_bars is no hook; did you mean on_bar?"),
        (QUIET + "    size: int = 'x'\n", "m.py:7: parameter size: its default is ill-typed: found 'x' (str)"),
        (QUIET + "    size: Size = 1\n", "m.py:7: NameError: name 'Size' is not defined"),
        ("from __future__ import annotations\n" + QUIET + "    size: Size = 1\n", "m.py: an annotation of Quiet names"),
        ("x = '\0'\n", "m.py"),
        (QUIET + "    def onBar(self, bar): pass\n", "m.py:7: onBar is no hook; did you mean on_bar?"),
        ("import hftd.modle\n", "m.py:1: there is no hftd.modle in the hftd that is installed"),
        ("from .helper import x\n", "m.py:1: a model of one file has no helpers; make it a folder NAME"),
        ("import beside\n", "m.py:1: beside.py beside it is a model of its own, and no helper; make it a folder"),
    ],
)
def test_a_broken_model_is_refused_with_its_place(write, text, sentence):
    assert refusal("m", write(m=text, beside=QUIET)).startswith(sentence)


def test_a_base_class_is_hidden_by_an_underscore_and_aliases_count_once(write):
    folder = write(m=QUIET.replace("Quiet", "_Base") + "class Real(_Base): pass\nAgain = Real\n")
    assert load_model("m", folder).cls.__name__ == "Real"


def folder_model(tmp_path, entry: str, **helpers: str):
    (tmp_path / "deep").mkdir(exist_ok=True)
    for name, text in {"__init__": entry, **helpers}.items():
        (tmp_path / "deep" / f"{name}.py").write_text(text)
    return tmp_path


def test_helpers_in_a_models_folder_are_imported(tmp_path):
    entry = "from hftd import Model\nfrom .sizes import SIZE\nclass Deep(Model):\n    size: int = SIZE\n"
    folder = folder_model(tmp_path, entry, sizes="from . import table\nSIZE = table.SIZE\n", table="SIZE = 7\n")
    assert build(load_model("deep", folder).cls, {}).size == 7


def test_a_helper_that_is_not_there_or_not_imported_from_the_folder_is_named(tmp_path):
    sizes = "SIZE = 7\n"
    assert refusal("deep", folder_model(tmp_path, "from .size import SIZE\n", sizes=sizes)) == (
        "deep/__init__.py:1: no helper size in deep; did you mean sizes?"
    )
    assert refusal("deep", folder_model(tmp_path, "import sizes\n", sizes=sizes)) == (
        "deep/__init__.py:1: sizes is a helper in the model's own folder: write from .sizes import ..."
    )


def test_loading_again_gives_the_new_code_of_helpers_too(tmp_path):
    """Even when an edit keeps size and time, by which Python would take its compiled file for fresh."""
    entry = "from hftd import Model\nfrom .sizes import SIZE\nclass Deep(Model):\n    size: int = SIZE\n"
    sizes = []
    for number in (1, 2):
        folder = folder_model(tmp_path, entry, sizes=f"SIZE = {number}\n")
        os.utime(tmp_path / "deep/sizes.py", (1_000_000_000, 1_000_000_000))
        sizes.append(build(load_model("deep", folder).cls, {}).size)
    assert sizes == [1, 2]
    assert not (tmp_path / "deep/__pycache__").exists()


def test_loading_again_starts_from_a_fresh_module(write):
    folder = write(m=QUIET + "COUNT = []\n")
    first = load_model("m", folder)
    sys.modules[first.cls.__module__].COUNT.append(1)
    second = load_model("m", folder)
    assert sys.modules[second.cls.__module__].COUNT == []


def test_a_model_may_bear_the_name_of_a_package(write):
    folder = write(json="import json\n" + QUIET + "assert json.loads('1') == 1\n")
    assert load_model("json", folder).cls.__name__ == "Quiet"


def mark(folder, name="deep", **parameters) -> str:
    loaded = load_model(name, folder)
    return fingerprint(loaded, checked(loaded.cls, parameters))


def test_the_fingerprint_is_of_every_file_and_parameter(tmp_path):
    folder = folder_model(tmp_path, QUIET + "    cash: Decimal = 5\n".replace("Decimal", "float"), helper="x = 1\n")
    plain = mark(folder)
    assert len(plain) == 64
    assert mark(folder) == mark(folder, number=1, cash=5.0) == plain
    changed = [mark(folder, number=2)]
    (tmp_path / "deep/weights.bin").write_bytes(b"1")
    changed.append(mark(folder))
    (tmp_path / "deep/weights.bin").rename(tmp_path / "deep/other.bin")
    changed.append(mark(folder))
    assert len({plain, *changed}) == 4


def test_by_products_are_no_part_of_the_fingerprint(tmp_path):
    folder = folder_model(tmp_path, QUIET)
    plain = mark(folder)
    (tmp_path / "deep/__pycache__").mkdir()
    (tmp_path / "deep/__pycache__/x.pyc").touch()
    (tmp_path / "deep/.swap").touch()
    assert mark(folder) == plain


def test_equal_decimals_have_one_fingerprint(write):
    text = "from decimal import Decimal\n" + QUIET + "    cash: Decimal = Decimal('5.0')\n"
    folder = write(m=text)
    assert mark(folder, "m") == mark(folder, "m", cash=5) == mark(folder, "m", cash=Decimal("5.00"))
