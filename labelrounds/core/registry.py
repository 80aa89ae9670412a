"""Modules found by their name: a new method, labeler kind, selection strategy or exchange format is one file in its folder.

`zero-shot` in params.yaml is the module `zero_shot`. What counts as one of a folder's modules is the function that it defines.
"""

import importlib
import re
from pathlib import Path
from types import ModuleType

from labelrounds.core.errors import UserError, did_you_mean

METHODS, KINDS, ASKED, STRATEGIES, FORMATS = "methods", "labelers", "llm", "measures/strategies", "people/exchange"  # folders of labelrounds/
ENTRY = {METHODS: "make", KINDS: "load", ASKED: "load", STRATEGIES: "uncertainty", FORMATS: "recognises"}
HERE = Path(__file__).parents[1]


def names(folder: str) -> tuple[str, ...]:
    """Returns the names of a folder's modules that define its entry function, sorted; no module is imported for that."""
    entry = re.compile(rf"^def {ENTRY[folder]}\(", re.MULTILINE)
    found = sorted((HERE / folder).glob("*.py"))
    return tuple(path.stem.replace("_", "-") for path in found if entry.search(path.read_text(encoding="utf-8")))


def find(folder: str, name: str, noun: str) -> ModuleType:
    """Returns the module of this name; a UserError that lists the names where there is none. noun : what such a module is called"""
    known = names(folder)
    if name not in known:
        raise UserError(f'the {noun} "{name}" is unknown.{did_you_mean(name, known)} Expected one of: {", ".join(known)}.')
    return importlib.import_module(f"labelrounds.{folder.replace('/', '.')}.{name.replace('-', '_')}")
