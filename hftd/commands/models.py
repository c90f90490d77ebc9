"""`hftd models`: what is in the models folder, the broken ones with their reason."""

from pathlib import Path

from msgspec import Struct

from hftd.model.load import model_names
from hftd.model.trial import ParameterRow
from hftd.model.verify import LIMIT_S, describe


class ModelRow(Struct, frozen=True):
    """One model. `fingerprint` is that of its default parameters, "" when one has no default. `problem` is "" when it
    can be loaded; it is not run here."""

    name: str
    description: str
    parameters: tuple[ParameterRow, ...]
    fingerprint: str
    problem: str


def list_models(folder: Path, limit_s: float = LIMIT_S) -> list[ModelRow]:
    """All models in a folder by name, each loaded in a child process for at most `limit_s` seconds."""
    names = model_names(folder)
    return [
        ModelRow(name, answer.description, answer.parameters, answer.fingerprint, answer.problem)
        for name, answer in zip(names, describe(names, folder, limit_s), strict=True)
    ]


def models_text(rows: list[ModelRow], folder: Path) -> str:
    """A paragraph for each model; what to do when there is none."""
    if not rows:
        return f"no models in {folder}; hftd new NAME starts one"
    return "\n\n".join(_paragraph(row) for row in rows)


def _paragraph(row: ModelRow) -> str:
    if row.problem:
        return f"{row.name}  cannot be loaded\n  {row.problem}"
    head = f"{row.name}  {row.fingerprint[:12]}".rstrip()
    lines = [head, *filter(None, [row.description]), *map(_parameter_line, row.parameters)]
    return "\n  ".join(lines)


def _parameter_line(row: ParameterRow) -> str:
    default = "required" if row.is_required else f"= {row.default}"
    description = f"  {row.description}" if row.description else ""
    return f"{row.name}: {row.type} {default}{description}"
