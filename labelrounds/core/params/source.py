"""params.yaml as it was typed: its values, and the line on which each of them stands."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at

PATH = Path("params.yaml")
LARGEST = 100_000  # values in the file


@dataclass(frozen=True)
class Source:
    """value : what the file says, as plain Python; node : the same as a node of YAML, which knows its line; plain : makes one of the other"""

    path: Path
    value: Any
    node: Any = field(compare=False, repr=False)
    plain: Callable[[Any], Any] = field(compare=False, repr=False)
    text: str = field(default="", compare=False, repr=False)

    def line(self, *keys: Any) -> int:
        """Returns the line of a key or of a list's item; where it is not there, of what it belongs to."""
        name, _ = self._find(keys)
        return name.start_mark.line + 1 if name else 1

    def typed(self, *keys: Any) -> str:
        """Returns a value as it was typed: 01 is read as 1, but names the round "01". Empty for a section or a list."""
        _, node = self._find(keys)
        return node.value if isinstance(node.value, str) else ""

    def wrong(self, keys: tuple[Any, ...], message: str) -> UserError:
        """Returns the error about what stands at `keys`, with its line."""
        return UserError(f"{at(self.path, self.line(*keys))}: {message}")

    def _find(self, keys: tuple[Any, ...]) -> tuple[Any, Any]:
        """Returns (the name, the value) of the last of `keys` that is there, as nodes; the name of the whole file is None."""
        name, node = None, self.node
        for key in keys:
            # Later ones go before earlier ones: `<<: *other` puts what it brings in front.
            inside = reversed(list(self._inside(node)))
            found = next((pair for known, *pair in inside if key in (known, str(known))), None)
            if found is None:
                break
            name, node = found
        return name, node

    def _inside(self, node: Any) -> Any:
        """Yields (key or number, node of the name, node of the value) of what a section or a list holds."""
        if node is not None and node.id == "mapping":
            yield from ((self.plain(name), name, value) for name, value in node.value)
        elif node is not None and node.id == "sequence":
            yield from ((number, item, item) for number, item in enumerate(node.value))


def read(path: str | Path = PATH) -> Source:
    """Returns what the file says; a UserError with its line if that is no YAML."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{at(path)}: no such file. Run this at the top of a labelrounds project (where dvc.yaml is).")
    try:
        return parsed(path.read_text(encoding="utf-8"), path)
    except UnicodeDecodeError:
        raise UserError(f"{at(path)}: not UTF-8 text, or control characters stand in it. Save it as UTF-8.") from None


def parsed(text: str, path: Path = PATH) -> Source:
    """Returns what such a text says; a UserError with the line if that is no YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)  # the reader and YAML version (1.2) of DVC, so that both see the same values
    try:
        node = yaml.compose(text)
        if node is not None and _size(node, {}) > LARGEST:
            raise UserError(f"{at(path)}: its `*aliases` unfold into more than {LARGEST:,} values. Write out what they stand for.")
        value = None if node is None else yaml.constructor.construct_document(node)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        raise UserError(f"{at(path, mark.line + 1 if mark else None)}: not YAML: {error.problem}. Correct that line.") from None
    except YAMLError:
        raise UserError(f"{at(path)}: not UTF-8 text, or control characters stand in it. Save it as UTF-8.") from None
    except RecursionError:
        raise UserError(f"{at(path)}: its values stand too deep in each other to be read. params.yaml has three levels.") from None
    except (ValueError, OverflowError, TypeError) as error:  # a number or a date that none is
        raise UserError(f"{at(path)}: a value cannot be read ({str(error)[:100]}). Put texts in quotes.") from None
    return Source(path, value, node, yaml.constructor.construct_object, text)


def _size(node: Any, known: dict[int, int]) -> int:
    """Returns how many values a node of YAML unfolds into: an alias stands for all of what it names, and may do so again and again."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = LARGEST + 1  # one that holds itself
    inside = [part for pair in node.value for part in pair] if node.id == "mapping" else node.value if node.id == "sequence" else []
    known[id(node)] = 1 + sum(_size(part, known) for part in inside)
    return known[id(node)]


def line_of(*keys: str, path: str | Path = PATH) -> int:
    """Returns the line of a key in params.yaml, for errors about its value that only a stage can see."""
    return read(path).line(*keys)
