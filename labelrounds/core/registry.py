"""Modules found by their name: a new method, labeler kind or selection strategy is one file in its folder.

`zero-shot` in params.yaml is the module `zero_shot`. What counts as one of a folder's modules is the function that it defines.
"""

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

from labelrounds.core.errors import UserError, did_you_mean

METHODS, STRATEGIES = "labelrounds.methods", "labelrounds.measures.strategies"
ENTRY = {METHODS: "make", STRATEGIES: "uncertainty"}


def names(package: str) -> tuple[str, ...]:
    """Returns the names of a package's modules that define its entry function, sorted; no module is imported for that."""
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations, package
    entry = re.compile(rf"^def {ENTRY[package]}\(", re.MULTILINE)
    found = sorted(path for folder in spec.submodule_search_locations for path in Path(folder).glob("*.py"))
    return tuple(path.stem.replace("_", "-") for path in found if entry.search(path.read_text(encoding="utf-8")))


def find(package: str, name: str, noun: str) -> ModuleType:
    """Returns the module of this name; a UserError that lists the names where there is none. noun : what such a module is called"""
    known = names(package)
    if name not in known:
        raise UserError(f'the {noun} "{name}" is unknown.{did_you_mean(name, known)} Expected one of: {", ".join(known)}.')
    return importlib.import_module(f"{package}.{name.replace('-', '_')}")
