"""Objects of a JSON file: one per line, or one array of them. What no table could hold is an error with its line."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at
from labelrounds.core.lines import lines

SPACE = " \t\r\n\ufeff"


def records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (line where it begins, object) of each object in the file, in constant memory where there is one per line."""
    rest = lines(path)
    before: list[str] = []
    for line in rest:
        before.append(line)
        if line.strip(SPACE):
            break
    first = before[-1].strip(SPACE) if before else ""
    everything = chain(before, rest)
    if first.startswith("[") or first == "{":  # an array, or one object over many lines
        yield from _whole(path, "".join(everything))
        return
    for number, line in enumerate(everything, 1):
        line = line.strip(SPACE)
        if not line:
            continue
        try:
            record = _decode(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{at(path, number)}: not JSON: {error.msg} at character {error.pos + 1}. Expected one object per line.") from None
        except (ValueError, RecursionError) as error:
            raise _wrong(path, number, error) from None
        yield number, _object(path, number, record)


def _whole(path: Path, content: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the objects of an array; any other value is a UserError."""
    try:
        whole = _decode(content.strip(SPACE))
    except json.JSONDecodeError as error:
        line = content[: len(content) - len(content.lstrip(SPACE))].count("\n") + error.lineno
        raise UserError(f"{at(path, line)}: not JSON: {error.msg} at character {error.colno}. Expected one array of objects.") from None
    except (ValueError, RecursionError) as error:
        raise _wrong(path, 1, error) from None
    if isinstance(whole, dict):
        names = ", ".join(f'"{name}"' for name in list(whole)[:8])
        raise UserError(f"{at(path, 1)}: found one object with {names}; expected an array of objects, or one object per line.")
    decoder = json.JSONDecoder(parse_constant=_constant)
    place, line, counted = content.index("[") + 1, 1, 0
    for value in whole:
        while content[place] in SPACE + ",":
            place += 1
        line += content.count("\n", counted, place)
        counted = place
        yield line, _object(path, line, value)
        place = decoder.raw_decode(content, place)[1]


def _object(path: Path, line: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f'{at(path, line)}: found {type(value).__name__}, expected one object per line such as {{"text": "…"}}.')
    return value


def _decode(content: str) -> Any:
    return json.loads(content, object_pairs_hook=_once, parse_constant=_constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f'the key "{next(name for name in names if names.count(name) > 1)}" stands there twice')
    return found


def _constant(name: str) -> float | None:
    """NaN is how programs write that there is nothing."""
    return None if name == "NaN" else float(name)


def _wrong(path: Path, line: int, error: Exception) -> UserError:
    found = "objects or lists that are nested too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]
    return UserError(f"{at(path, line)}: {found}. Correct the file.")
