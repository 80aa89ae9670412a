"""Conflict marks that a merge has left in the project's files: the first is told with its file, its line and its merge."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from labelrounds.core import paths
from labelrounds.core.errors import UserError, at

MARKS = re.compile(rb"^<{7}(?: ([^\r\n]*))?\r?\n(?:.*?^)??={7}\r?\n.*?^>{7}(?: ([^\r\n]*))?\r?$", re.MULTILINE | re.DOTALL)
MADE = ("dvc.lock", "studies/*/dvc.lock", "metrics/*.json", "metrics/*.csv", "metrics/*/*.csv", f"{paths.SNAPSHOTS}/*.json")
TYPED = ("params.yaml", "dvc.yaml", "data/*.dvc", "data/*.jsonl")
LABELS = (f"{paths.ROUNDS}/*.csv", f"{paths.AUDITS}/*.csv", f"{paths.DRAWN}/*.csv")


def is_made(path: str | Path) -> bool:
    """Says whether the pipeline makes this file of git's, so that a run makes it anew."""
    return any(Path(path).match(pattern) for pattern in MADE)


def is_labels(path: str | Path) -> bool:
    """Says whether people's labels stand in this file."""
    return any(Path(path).match(pattern) for pattern in LABELS)


def files() -> Iterator[Path]:
    """Yields the project's files that git merges."""
    found = itertools.chain.from_iterable(Path().glob(pattern) for pattern in (*TYPED, *LABELS, *MADE))
    yield from (path for path in found if path.is_file())


def find(content: bytes, quoted: bool = False) -> tuple[int, str, str] | None:
    """Returns (line of the first mark, the side before it, the side after it), or None where there is no conflict.

    quoted : the content is CSV, so marks inside of a quoted cell are part of a text
    """
    for found in MARKS.finditer(content):
        before = content[: found.start()]
        if not (quoted and before.count(b'"') % 2):
            ours, theirs = ((side or b"").decode("utf-8", "replace").strip() for side in found.groups())
            return before.count(b"\n") + 1, ours, theirs
    return None


def check() -> None:
    """Raises a UserError for the first file of the project with conflict marks; it names the line and the merge that left them."""
    for path in files():
        content = path.read_bytes()
        found = find(content, path.suffix == ".csv") if b"<<<<<<<" in content else None
        if found is None:
            continue
        line, ours, theirs = found
        if is_made(path):
            advice = "The pipeline makes this file: `labelrounds merge` takes one side and runs what is stale."
        elif is_labels(path):
            advice = f"Keep the labels of both sides and remove the lines with the marks; then `git add {path}`, then `labelrounds merge`."
        else:
            advice = f"Decide what shall stand there and remove the marks; then `git add {path}`, then `labelrounds merge`."
        raise UserError(f'{at(path, line)}: conflict marks, left by the merge of "{theirs or "?"}" into "{ours or "?"}". {advice}')
