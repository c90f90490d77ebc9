"""Find, load and fingerprint a model: `NAME.py` or a folder `NAME` with `__init__.py` in the models folder.

Loading executes the model's code in this process: `verify` tries it in a child first. Each load executes the files as
they are now: neither sys.modules nor a .pyc of an earlier edit is asked.
"""

import ast
import hashlib
import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from hftd.domain.convert import text_of
from hftd.errors import ModelError
from hftd.model.contract import HOOKS, Model
from hftd.model.parameters import ParameterError, parameters_of
from hftd.wording import suggestion

PREFIX = "hftd_model_"
"""Loaded models are modules hftd_model_NAME_DIGEST, so that they meet no package of the same name."""

DISTRIBUTIONS = {"PIL": "pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "sklearn": "scikit-learn"}
"""Packages that are imported by another name than they are installed by."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model's class and the files it came from. `files_sha256` is hexadecimal."""

    name: str
    path: Path
    cls: type[Model]
    files_sha256: str

    @property
    def description(self) -> str:
        """The first paragraph of the model's docstring in one line, "" when it has none."""
        return " ".join((self.cls.__doc__ or "").strip().partition("\n\n")[0].split())


# Finding -------------------------------------------------------------------------------------------------------------


def model_names(folder: Path) -> list[str]:
    """Names of all models in a folder, sorted; names that start with an underscore or a dot are not models."""
    if not folder.is_dir():
        return []
    files = [path.stem for path in folder.glob("*.py")]
    folders = [path.parent.name for path in folder.glob("*/__init__.py")]
    return sorted({name for name in files + folders if not name.startswith(("_", "."))})


def find_model(name: str, folder: Path) -> Path:
    """The file NAME.py or the folder NAME. Raises ModelError with the nearest name when there is none, or two."""
    places = [path for path in (folder / f"{name}.py", folder / name / "__init__.py") if path.is_file()]
    if not name.isidentifier() or not places:
        names = [known for known in model_names(folder) if known.isidentifier()]
        if places:
            raise ModelError(
                f"{places[0]}: {name} cannot be a model's name: expected letters, digits, underscores, no digit first"
            )
        if name.isidentifier() and (folder / name).is_dir():
            raise ModelError(f"{folder / name}: has no __init__.py, which would hold the model's class")
        instead = suggestion(name, names) if names else "it holds no models; hftd new NAME starts one"
        raise ModelError(f"no model {name} in {folder}; {instead}")
    if len(places) == 2:
        raise ModelError(f"{folder}: found both {name}.py and {name}/, expected one of them")
    return places[0] if places[0].suffix == ".py" and places[0].stem == name else places[0].parent


# Fingerprint ---------------------------------------------------------------------------------------------------------


def files_of(path: Path) -> list[Path]:
    """Every file a model consists of, sorted; compiled Python and hidden files are not part of it."""
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if not _is_by_product(file.relative_to(path)))


def _is_by_product(relative: Path) -> bool:
    return any(part == "__pycache__" or part.startswith(".") for part in relative.parts)


def files_sha256(path: Path) -> str:
    """sha256 (hexadecimal) over names and contents of a model's files. Raises ModelError for an unreadable one."""
    total = hashlib.sha256()
    for file in files_of(path):
        try:
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256")
        except OSError as error:
            raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
        total.update(file.relative_to(path.parent).as_posix().encode() + b"\0" + content.digest())
    return total.hexdigest()


def fingerprint(loaded: LoadedModel, values: Mapping[str, object]) -> str:
    """sha256 (hexadecimal) of a model's files and of all its parameters' values (`contract.checked`)."""
    parameters = json.dumps(values, sort_keys=True, separators=(",", ":"), default=_json_value)
    return hashlib.sha256(f"{loaded.files_sha256}\n{parameters}".encode()).hexdigest()


def _json_value(value: object) -> str:
    assert isinstance(value, Decimal), f"{value!r} is no value of a parameter"
    return text_of(value)


# Loading -------------------------------------------------------------------------------------------------------------


def load_model(name: str, folder: Path) -> LoadedModel:
    """Execute a model's files and take its class. Raises ModelError with file, line and reason."""
    path = find_model(name, folder)
    digest = files_sha256(path)
    cls = _model_class(_execute(f"{PREFIX}{name}_{digest[:12]}", path), path)
    _check_declarations(cls, path)
    return LoadedModel(name, path, cls, digest)


class _SourceLoader(SourceFileLoader):
    """Compiles the source each time: a .pyc is taken for fresh when an edit keeps time (in seconds) and size."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code = self.source_to_code(self.get_data(path), path)
        assert isinstance(code, CodeType)
        return code


class _HelperFinder(MetaPathFinder):
    """Finds the helper modules in a model's folder, by the same loader."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None or not fullname.startswith(PREFIX):
            return None
        kinds = ((ExtensionFileLoader, EXTENSION_SUFFIXES), (_SourceLoader, [".py"]))
        specs = (FileFinder(folder, *kinds).find_spec(fullname) for folder in path)
        return next(filter(None, specs), None)


_HELPERS = _HelperFinder()


def _execute(module_name: str, path: Path) -> ModuleType:
    if _HELPERS not in sys.meta_path:
        sys.meta_path.insert(0, _HELPERS)
    for known in [known for known in sys.modules if known.partition(".")[0] == module_name]:
        del sys.modules[known]
    file, folders = (path, None) if path.is_file() else (path / "__init__.py", [str(path)])
    loader = _SourceLoader(module_name, str(file))
    spec = spec_from_file_location(module_name, file, loader=loader, submodule_search_locations=folders)
    assert spec is not None
    module = module_from_spec(spec)
    # Annotations are looked up, and helpers imported, by way of sys.modules.
    sys.modules[module_name] = module
    try:
        with localcontext():  # whatever precision a model's file sets, the ledger keeps its own
            loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ModelError(sentence_of(error, path)) from error
    return module


def _model_class(module: ModuleType, path: Path) -> type[Model]:
    found = [
        value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Model) and not name.startswith("_")
        if value.__module__.partition(".")[0] == module.__name__
    ]
    match list(dict.fromkeys(found)):
        case [cls]:
            return cls
        case []:
            raise ModelError(f"{path}: defines no model; expected one class NAME(Model) with an on_bar")
        case several:
            names = ", ".join(cls.__name__ for cls in several)
            raise ModelError(f"{path}: found models {names}, expected one (a leading underscore hides a base class)")


def _check_declarations(cls: type[Model], path: Path) -> None:
    """Refuse what would silently do nothing: a misspelt hook, a parameter that settings cannot give."""
    for name, value in vars(cls).items():
        if callable(value) and _is_nearly_a_hook(name):
            raise ModelError(f"{_place(path, cls, name)}: {name} is no hook; {suggestion(name, HOOKS)}")
    try:
        parameters_of(cls)
    except ParameterError as error:
        raise ModelError(f"{_place(path, cls, error.parameter)}: {error}") from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _is_nearly_a_hook(name: str) -> bool:
    """Whether it was meant for one: on_bars, onBar, OnBar."""
    alike = {hook.replace("_", "") for hook in HOOKS}
    return name not in HOOKS and (name.startswith("on_") or name.replace("_", "").casefold() in alike)


def _place(path: Path, cls: type[Model], name: str) -> str:
    """FILE:LINE of what a class declares under `name`; the file alone when it stands nowhere in so many words."""
    file = Path(sys.modules[cls.__module__].__file__ or path)
    for node in ast.walk(ast.parse(file.read_bytes())):
        declared = node.target if isinstance(node, ast.AnnAssign) else node
        if getattr(declared, "id", getattr(declared, "name", None)) == name and isinstance(node, ast.stmt):
            return f"{file}:{node.lineno}"
    return str(file)


# What went wrong, in a sentence --------------------------------------------------------------------------------------


def sentence_of(error: BaseException, path: Path, hook: str = "") -> str:
    """What a model raised: its own FILE:LINE, what happened, and for a missing import what to do.

    `path` is the model's file or folder, `hook` the hook that raised, "" for the import itself.
    """
    if isinstance(error, SyntaxError):
        text = f": {error.text.strip()}" if error.text else ""
        place = f"{error.filename}:{error.lineno}" if error.filename else path
        return f"{place}: {error.msg}{text}"
    place = place_of(error, path)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{place}: {_missing_sentence(error.name, path)}"
    if isinstance(error, ImportError) and "no known parent package" in str(error):
        return f"{place}: a model of one file has no helpers; {_AS_FOLDER}"
    if isinstance(error, SystemExit):
        return f"{place}: {f'{hook} ends' if hook else 'ends'} the process; a model only returns"
    message = f": {error}" if str(error) else ""
    return f"{place}: {f'{hook} raised ' if hook else ''}{type(error).__name__}{message}"


def place_of(error: BaseException, path: Path) -> str:
    """FILE:LINE of the last frame in the model's own files; the model's path when none is."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == str(path) or Path(frame.filename).is_relative_to(path)]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else str(path)


_AS_FOLDER = "make it a folder NAME with __init__.py and the helper in it: from .helper import ..."


def _missing_sentence(name: str, path: Path) -> str:
    top, _, rest = name.partition(".")
    helpers = [file.stem for file in path.glob("*.py")] if path.is_dir() else []
    if top.startswith(PREFIX):
        return f"no helper {rest} in {path}; {suggestion(rest, helpers)}"
    if top in helpers:
        return f"{top} is a helper in the model's own folder: write from .{top} import ..."
    if path.is_file() and path.with_name(f"{top}.py").is_file():
        return f"{top}.py beside it is a model of its own, and no helper; {_AS_FOLDER}"
    if rest and top in sys.modules:
        return f"there is no {name} in the {top} that is installed"
    package = DISTRIBUTIONS.get(top, top)
    return (
        f"needs the package {top}, which is not installed for {sys.executable}; an installed hftd gets it by "
        f"sudo hftd install --with {package}"
    )
