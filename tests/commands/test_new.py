import pytest

from hftd.commands.new import new_model
from hftd.errors import ModelError
from hftd.model.choice import ChosenModel
from hftd.model.verify import verified


@pytest.mark.parametrize(("as_folder", "file"), [(False, "mean_reversion.py"), (True, "mean_reversion/__init__.py")])
def test_a_new_model_is_written_and_passes_verification(tmp_path, as_folder, file):
    folder = tmp_path / "models"
    assert new_model("mean_reversion", folder, as_folder=as_folder) == folder / file
    model = verified(ChosenModel("mean_reversion", ("SPY", "QQQ")), folder)
    assert model.loaded.cls.__name__ == "MeanReversion"
    assert "{name: mean_reversion}" in (folder / file).read_text()
    assert max(map(len, (folder / file).read_text().splitlines())) <= 120


@pytest.mark.parametrize("name", ["", "2fast", "mean-reversion", "class", "_hidden", "../up", "a.py"])
def test_a_name_that_cannot_be_one_is_refused(tmp_path, name):
    with pytest.raises(ModelError, match="cannot be a model's name: expected letters"):
        new_model(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_never_written_over(tmp_path):
    file = new_model("taken", tmp_path)
    file.write_text("mine")
    for as_folder in (False, True):
        with pytest.raises(ModelError, match=r"taken\.py exists already; choose another name"):
            new_model("taken", tmp_path, as_folder=as_folder)
    assert file.read_text() == "mine"


def test_a_folder_that_cannot_be_written_to_gets_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot be written"):
        new_model("quiet", tmp_path / "file")
