"""What a cell says: a label, several, or none. What cannot be a label is an error, never a label by accident."""

import ast
import json
import math
import re
from collections.abc import Container, Mapping
from typing import Any

from labelrounds.core import tables
from labelrounds.core.errors import UserError

MISSING = ("nan", "NaN", "<NA>", "NaT")  # what programs write for nothing
BRACKETS = {"[": "]", "{": "}", "(": ")"}
QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
PYTHON_LIST = re.compile(rf"[\[({{]\s*(?:{QUOTED})(?:\s*,\s*(?:{QUOTED}))*\s*,?\s*[\])}}]")
PYTHON_DICT = re.compile(rf"{{\s*(?:{QUOTED})\s*:\s*[^,'\"]+(?:,\s*(?:{QUOTED})\s*:\s*[^,'\"]+)*\s*}}")
WORD = re.compile(r"[\[({]\s*[^\W\d][\w -]*[\])}]")
YES = 0.5  # a score from which a label applies


def read(value: Any, where: str, known: Container[str] = ()) -> str | tuple[str, ...] | None:
    """Returns one cell's label, several where the file lists them, or None where there is nothing.

    A number, a date or a nested value that can be no label is a UserError. `where` is the file and line; what is among the
    `known` labels is one, whatever it looks like.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str) and value.strip() in known:
        return value.strip()
    if isinstance(value, str):
        return _text(value.strip(), where, known)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if value.is_integer():
            return str(int(value))
        raise UserError(f"{where}: the number {value} is no label: it looks like a score. Name the label column with --label-column.")
    if isinstance(value, Mapping):
        return _mapping(value, where, known)
    if isinstance(value, (list, tuple, set)):
        return _several(list(value), where, known)
    if isinstance(value, bytes):
        return read(tables.as_text(value), where)
    raise UserError(
        f'{where}: "{value}" is no label but a {type(value).__name__}. A spreadsheet may have turned the label into it: correct the cell.'
    )


def _text(cell: str, where: str, known: Container[str]) -> str | tuple[str, ...] | None:
    if not cell or cell in MISSING:
        return None
    if BRACKETS.get(cell[0]) != cell[-1] or (WORD.fullmatch(cell) and cell[1:-1].strip() not in (*MISSING, "None", "null")):
        return cell
    try:
        return read(json.loads(cell), where, known)
    except (ValueError, RecursionError):
        pass
    if PYTHON_LIST.fullmatch(cell) or PYTHON_DICT.fullmatch(cell):
        try:
            found = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
        if isinstance(found, (list, tuple, set, dict)):
            return read(sorted(found) if isinstance(found, set) else found, where, known)
    raise no_label(cell, where)


def _several(values: list[Any], where: str, known: Container[str]) -> tuple[str, ...] | None:
    if not values:
        return None
    found = [read(value, where, known) if isinstance(value, (str, int, float)) else no_label(values, where) for value in values]
    for label in found:
        if isinstance(label, UserError) or not isinstance(label, str):
            raise no_label(values, where)
    if len(set(found)) < len(found):
        raise UserError(f"{where}: a label stands twice in {_shown(values)}. A row of 0 and 1 needs one column per label.")
    return tuple(str(label) for label in found)


def _mapping(value: Mapping[str, Any], where: str, known: Container[str]) -> tuple[str, ...] | None:
    if set(value) == {"choices"} and isinstance(value["choices"], list):
        return _several(value["choices"], where, known)
    if value and all(isinstance(score, (bool, int, float)) for score in value.values()):
        return scored(value, where)[0]
    raise no_label(value, where)


def scored(scores: Mapping[str, Any], where: str) -> tuple[tuple[str, ...] | None, bool]:
    """Returns (the labels whose score is at least a half, whether any score is neither 0 nor 1); None where there are no scores at all."""
    for label, score in scores.items():
        if not isinstance(score, (bool, int, float)) or math.isnan(score) or not 0 <= score <= 1:
            raise UserError(f'{where}: the score of "{label}" is {score!r}; expected 0, 1 or a number between.')
    if not scores:
        return None, False
    return tuple(label for label, score in scores.items() if score >= YES), any(score not in (0, 1) for score in scores.values())


def no_label(value: Any, where: str) -> UserError:
    """Returns the error for a value that is no label."""
    return UserError(
        f"{where}: {_shown(value)} is no label. Expected a label, a list of labels, or an object with 0 or 1 for each label. "
        "Is --label-column right? --format names the tool that wrote the file."
    )


def _shown(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 80 else f"{shown[:80]}…"
