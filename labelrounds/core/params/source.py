"""params.yaml as it was typed: its values, and the line on which each of them stands."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at

PATH = Path("params.yaml")


@dataclass(frozen=True)
class Source:
    """value : what the file says, as plain Python; node : the same as a node of YAML, which knows its line; plain : makes one of the other"""

    path: Path
    value: Any
    node: Any = field(compare=False, repr=False)
    plain: Callable[[Any], Any] = field(compare=False, repr=False)

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
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{at(path)}: no such file. Run this at the top of a labelrounds project (where dvc.yaml is).")
    yaml = YAML(typ="safe", pure=True)  # the reader and YAML version (1.2) of DVC, so that both see the same values
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"))
        value = None if node is None else yaml.constructor.construct_document(node)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        raise UserError(f"{at(path, mark.line + 1 if mark else None)}: not YAML: {error.problem}. Correct that line.") from None
    except (YAMLError, UnicodeDecodeError):
        raise UserError(f"{at(path)}: not UTF-8 text, or control characters stand in it. Save it as UTF-8.") from None
    return Source(path, value, node, yaml.constructor.construct_object)


def line_of(*keys: str, path: str | Path = PATH) -> int:
    """Returns the line of a key in params.yaml, for errors about its value that only a stage can see."""
    return read(path).line(*keys)
