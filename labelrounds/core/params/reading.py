"""From the file to checked parameters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelrounds.core import registry
from labelrounds.core.errors import UserError, did_you_mean
from labelrounds.core.params import rules, source
from labelrounds.core.params.mistakes import checked
from labelrounds.core.params.sections import Params


def load(path: str | Path = source.PATH) -> Params:
    """Returns the checked parameters; every mistake is a UserError with its line."""
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
    return params


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
