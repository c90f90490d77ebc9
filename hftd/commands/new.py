"""`hftd new`: write a commented model to start from."""

import keyword
from importlib.resources import files
from pathlib import Path

from hftd.errors import ModelError


def new_model(name: str, folder: Path, *, as_folder: bool = False) -> Path:
    """Write the model `name` to `folder` (made if need be): NAME.py, or NAME/__init__.py with `as_folder`.

    Gives the file written. Raises ModelError for a name that cannot be one, is taken, or cannot be written.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise ModelError(
            f"{name!r} cannot be a model's name: expected letters, digits and underscores, like mean_reversion"
        )
    for taken in (folder / f"{name}.py", folder / name):
        if taken.exists():
            raise ModelError(f"{taken} exists already; choose another name")
    file = folder / name / "__init__.py" if as_folder else folder / f"{name}.py"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_template(name), encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{file}: cannot be written: {error.strerror}") from error
    return file


def _template(name: str) -> str:
    text = files("hftd.model").joinpath("template.txt").read_text(encoding="utf-8")
    class_name = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return text.replace("CLASS", class_name).replace("NAME", name)
