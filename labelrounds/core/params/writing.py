"""From values to params.yaml: a command changes single ones, and every other line and comment stays."""

from collections.abc import Mapping
from typing import Any

from labelrounds.core import files
from labelrounds.core.params import source


def change(values: Mapping[tuple[str, str], Any]) -> None:
    """Sets {(section, key): value} in params.yaml, in one step; a section or key that is not there comes to the end."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 10_000
    tree: Any = yaml.load(source.PATH.read_text(encoding="utf-8"))
    for (section, key), value in values.items():
        tree.setdefault(section, {})[key] = value
    with files.atomic(source.PATH) as file:
        yaml.dump(tree, file)
