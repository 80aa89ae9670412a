"""From the file to checked parameters."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labelrounds.core import conflicts, journal, registry
from labelrounds.core.errors import UserError, at, did_you_mean
from labelrounds.core.params import rules, source
from labelrounds.core.params.mistakes import checked
from labelrounds.core.params.sections import Params

_loaded: dict[Path, Params] = {}  # the last of each file that this process has loaded


def load(path: str | Path = source.PATH) -> Params:
    """Returns the checked parameters; every mistake is a UserError with its line, and so are conflict marks in any file of the project."""
    conflicts.check()
    journal.check_whole()
    found = source.read(path)
    value = found.value
    if isinstance(value, dict):
        methods = registry.names(registry.METHODS)  # what may stand in the section of a method, only the method knows
        value = {name: section for name, section in value.items() if name not in methods}
        inherit(value)
    params = checked(Params, value, found)
    params._source = found
    for keys, message in rules.broken(params):
        raise found.wrong(keys, message)
    params._used.clear()  # the rules look at everything
    _loaded[Path(path).absolute()] = params
    return params


@contextmanager
def unchanged() -> Iterator[None]:
    """Raises a UserError if a section of params.yaml that this process has used says something else at the end of the block.

    DVC reads the parameters after the stage's command: an edit in between would be recorded as what the outputs were made with.
    """
    path = source.PATH.absolute()
    yield
    if path not in _loaded or _loaded[path].typed_as(path):
        return
    used = _loaded[path]
    try:
        now = load()
    except UserError as error:
        raise UserError(f"{at(source.PATH)} changed while it was in use, and is wrong now: {error.message}") from None
    for name in sorted(used._used):
        if used.said(name) != now.said(name):
            raise UserError(f"{at(source.PATH, now.line_of(name))}: `{name}` changed while it was in use. Run `dvc repro` again.")


def named(parts: Mapping[str, Any], name: str, noun: str) -> Any:
    """Returns the part that params.yaml gives this name; UserError where it has none. noun : what such a part is called"""
    if name not in parts:
        raise UserError(f'there is no {noun} "{name}" in params.yaml.{did_you_mean(name, parts)} There are: {", ".join(parts) or "none"}.')
    return parts[name]


def inherit(value: dict[str, Any]) -> None:
    """Fills what a recipe's own `finetune` leaves out with the values of the section `finetune`; what is no section waits for the check."""
    for recipes in (value.get("recipes"), value.get("further")):
        for recipe in recipes.values() if isinstance(recipes, dict) else ():
            own, general = recipe.get("finetune") if isinstance(recipe, dict) else None, value.get("finetune")
            if isinstance(own, dict) and isinstance(general, dict):
                recipe["finetune"] = general | own
