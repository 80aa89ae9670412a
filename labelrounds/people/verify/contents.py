"""How far two versions of a file agree: in what they decide, or only in what follows from it.

A decision is a text cell, a whole number, an order of rows: labels, the queue, the gate, ids, counts. A decimal is a score, and may
differ by a tolerance. Digests say no more than that bytes differ; weights and pages decide nothing.
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DECIDE_NOTHING = {".safetensors", ".html", ".npz", ".npy"}
DRAWN = {"reliability.csv"}  # how many scores fall between two lines of a picture
DIGEST = re.compile(r"[0-9a-f]{12,64}")
WHOLE = re.compile(r"[+-]?\d+")


def first_decision_that_differs(one: Path, other: Path, tolerance: float) -> str | None:
    """Returns where two versions of a file decide otherwise, in words; None where they do not.

    tolerance : how far scores may lie apart; numbers above 1, such as losses, relative to their size
    """
    if one.suffix in DECIDE_NOTHING or one.name in DRAWN:
        return None
    if not one.is_file() or not other.is_file():
        return "it is there in one run only"
    for first, second in _both(one, other):
        if first is None or second is None:
            return "one has more rows"
        if not _agree(first[1], second[1], tolerance) or first[0] != second[0]:
            return f"{first[0]}: {_short(first[1])} and {_short(second[1])}"
    return None


def _both(one: Path, other: Path) -> Iterator[tuple[tuple[str, Any] | None, tuple[str, Any] | None]]:
    import itertools

    return itertools.zip_longest(cells(one), cells(other))


def cells(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields (place, value) of everything that a table, a JSON file or a text holds."""
    if path.suffix == ".json":
        yield from _flat(json.loads(path.read_text(encoding="utf-8")), "")
    elif path.suffix == ".csv":
        with open(path, encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                yield from ((f"line {number}, {name}", value) for name, value in row.items())
    elif path.suffix == ".parquet":
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            for number, row in enumerate(batch.to_pylist(), 1):
                yield from ((f"row {number}, {place}", value) for place, value in _flat(row, ""))
    else:
        for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
            yield f"line {number}", line


def _flat(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _flat(part, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _flat(part, f"{place}[{number}]")
    else:
        yield place, value


def _agree(one: Any, other: Any, tolerance: float) -> bool:
    if one == other:
        return True
    if isinstance(one, str) and isinstance(other, str) and DIGEST.fullmatch(one) and DIGEST.fullmatch(other):
        return True
    first, second = _decimal(one), _decimal(other)
    if first is None or second is None or (WHOLE.fullmatch(str(one)) and WHOLE.fullmatch(str(other))):
        return False
    return abs(first - second) <= tolerance * max(1.0, abs(first), abs(second))


def _decimal(value: Any) -> float | None:
    """Returns a number, or the text of one, as a float; None for what is neither."""
    if not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
