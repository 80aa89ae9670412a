"""What a file holds, by name: a name that it lacks is an error of the file, not of the code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at


class Lacking(UserError, KeyError):
    """A file lacks a column or a key: for people one sentence, for code the KeyError that a dict raises."""


class Named(dict[str, Any]):
    """A row's cells by column, or an object of JSON by key. `found["x"]` raises Lacking where the file has no such thing."""

    __slots__ = ("line", "path")

    def __init__(self, found: Mapping[str, Any], path: Path, line: int | None = None) -> None:
        super().__init__(found)
        self.path, self.line = path, line

    def __missing__(self, name: str) -> Any:
        there = ", ".join(f'"{one[:40]}"' for one in list(self)[:12]) + (", …" if len(self) > 12 else "")
        raise Lacking(
            f'{at(self.path, self.line)}: there is no "{name}" here. Found: {there or "nothing"}. Restore the file from git '
            f"(`git checkout -- {at(self.path)}`); if a stage makes it, remove it and run `dvc repro`."
        )
