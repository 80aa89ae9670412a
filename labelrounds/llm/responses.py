"""The kept responses: what a language model answered, under the SHA-256 of everything that it was asked.

A response is written the moment it comes, so that a killed run asks nothing twice; failures are never kept.
They lie in data/responses/ and outlive every stage; those that a labeler rests on are published with it. The vectors by
which examples are found are kept in the same way: to work them out again would take longer than to read the answers.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at, out_of_space

Response = dict[str, Any]


def key_of(request: dict[str, Any]) -> str:
    """Returns the SHA-256 of a request: its model, messages, parameters and schema, in whatever order they stand."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


class Kept:
    """{key: response} on disk, in SQLite, which a kill at any moment leaves whole; several processes may write.

    published : responses that came with a labeler; they are read first and never written
    whole : says whether something can be read as a response; what cannot is forgotten, and asked again
    """

    def __init__(
        self, path: Path = paths.RESPONSES, published: dict[str, Response] | None = None, whole: Callable[[Any], bool] = lambda found: True
    ) -> None:
        self._path, self._open, self._whole = path, None, whole
        self._published = {key: response for key, response in (published or {}).items() if whole(response)}

    def find(self, keys: Iterable[str]) -> dict[str, Response]:
        """Returns {key: response} of those that are kept."""
        keys = list(dict.fromkeys(keys))
        found = {key: self._published[key] for key in keys if key in self._published}
        sought = [key for key in keys if key not in found]
        if sought and (self._open or self._path.is_file()):
            for start in range(0, len(sought), 500):
                part = sought[start : start + 500]
                rows = self._do(f"SELECT key, response FROM kept WHERE key IN ({','.join('?' * len(part))})", part)
                read = {key: self._read(response) for key, response in rows}
                found |= {key: response for key, response in read.items() if response is not None}
                for key in (key for key, response in read.items() if response is None):
                    self._do("DELETE FROM kept WHERE key = ?", [key])
        return found

    def keep(self, responses: dict[str, Response]) -> None:
        """Writes responses to disk before it returns, all of them or none; those that are there stay."""
        rows = [(key, json.dumps(response, ensure_ascii=False).encode("utf-8", "replace").decode()) for key, response in responses.items()]
        try:
            with self._connection() as connection:
                connection.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def forget(self, keys: Iterable[str]) -> int:
        """Removes responses for good, their bytes too; returns how many there were."""
        count = sum(len(self._do("DELETE FROM kept WHERE key = ? RETURNING 1", [key])) for key in dict.fromkeys(keys)) if self._path.is_file() else 0
        if count:
            self._connection().execute("VACUUM")
        return count

    def close(self) -> None:
        """Closes the file."""
        if self._open:
            self._open.close()
            self._open = None

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._open = sqlite3.connect(self._path, timeout=60)
                self._open.execute("CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, response TEXT NOT NULL) WITHOUT ROWID")
            except sqlite3.Error as error:
                raise self._broken(error) from error
        return self._open

    def _read(self, content: str) -> Response | None:
        try:
            found = json.loads(content)
            return found if isinstance(found, dict) and self._whole(found) else None
        except (ValueError, TypeError, RecursionError):
            return None

    def _do(self, statement: str, values: list[str]) -> list[Any]:
        try:
            with self._connection() as connection:
                return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _broken(self, error: sqlite3.Error) -> UserError:
        """Returns what a fault of SQLite means: a full or read-only disk, or a file that is damaged."""
        if out_of_space(error):
            return UserError(f"the disk is full at {at(self._path)}. What was answered before is kept. Free some space, then run again.")
        if "readonly" in str(error) or "unable to open" in str(error):
            return UserError(f"{at(self._path)}: cannot be written to ({error}). Check its folder's owner and the file system.")
        return UserError(f"{at(self._path)}: the kept responses cannot be read ({error}). Move the file away; then everything is asked again.")


def is_whole(response: Any) -> bool:
    """Says whether this is a response: a vector, the log-probabilities of the answers, or what was written with its tokens."""
    if not isinstance(response, dict):
        return False
    if "float32" in response:
        return isinstance(response["float32"], str)
    used = response.get("usage")
    if not (isinstance(used, list) and len(used) == 2 and all(type(count) is int for count in used)):
        return False
    if "answers" in response:
        return isinstance(response["answers"], list) and all(map(_is_number, response["answers"]))
    if not isinstance(response.get("content"), (str, type(None))):
        return False
    tokens = response.get("tokens", [])
    return isinstance(tokens, list) and all(
        isinstance(step, list) and len(step) == 3 and _is_guess(step[:2]) and isinstance(step[2], list) and all(map(_is_guess, step[2]))
        for step in tokens
    )


def _is_guess(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and _is_number(pair[1])


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e6  # NaN is no number either


def publish(path: Path, responses: dict[str, Response]) -> None:
    """Writes responses as lines of JSON in the order of their keys, so that the same responses are the same bytes."""
    with files.atomic(path) as file:
        for key in sorted(responses):
            file.write(json.dumps({"key": key, "response": responses[key]}, ensure_ascii=False, sort_keys=True) + "\n")


def published(path: Path) -> dict[str, Response]:
    """Returns what `publish` wrote."""
    try:
        with open(path, encoding="utf-8") as file:
            return {line["key"]: line["response"] for line in map(json.loads, file)}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{at(path)}: not what this labeler was published with ({error}). Run `dvc checkout`, or `dvc repro`.") from None
