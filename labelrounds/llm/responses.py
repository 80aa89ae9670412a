"""The kept responses: what a language model answered, under the SHA-256 of everything that it was asked.

A response is written the moment it comes, so that a killed run asks nothing twice; failures are never kept.
They lie in data/responses/ and outlive every stage; those that a labeler rests on are published with it. The vectors by
which examples are found are kept in the same way: to work them out again would take longer than to read the answers.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at

Response = dict[str, Any]


def key_of(request: dict[str, Any]) -> str:
    """Returns the SHA-256 of a request: its model, messages, parameters and schema, in whatever order they stand."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


class Kept:
    """{key: response} on disk, in SQLite, which a kill at any moment leaves whole; several processes may write.

    published : responses that came with a labeler; they are read first and never written
    """

    def __init__(self, path: Path = paths.RESPONSES, published: dict[str, Response] | None = None) -> None:
        self._path, self._published, self._open = path, published or {}, None

    def find(self, keys: Iterable[str]) -> dict[str, Response]:
        """Returns {key: response} of those that are kept."""
        keys = list(dict.fromkeys(keys))
        found = {key: self._published[key] for key in keys if key in self._published}
        sought = [key for key in keys if key not in found]
        if sought and (self._open or self._path.is_file()):
            for start in range(0, len(sought), 500):
                part = sought[start : start + 500]
                rows = self._connection().execute(f"SELECT key, response FROM kept WHERE key IN ({','.join('?' * len(part))})", part)
                found |= {key: json.loads(response) for key, response in rows}
        return found

    def keep(self, responses: dict[str, Response]) -> None:
        """Writes responses to disk before it returns, all of them or none; those that are there stay."""
        with self._connection() as connection:
            rows = [(key, json.dumps(response, ensure_ascii=False)) for key, response in responses.items()]
            connection.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", rows)

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
            except sqlite3.DatabaseError as error:
                raise UserError(
                    f"{at(self._path)}: the kept responses cannot be read ({error}). Move the file away; then everything is asked again."
                ) from None
        return self._open


def publish(path: Path, responses: dict[str, Response]) -> None:
    """Writes responses as lines of JSON in the order of their keys, so that the same responses are the same bytes."""
    with files.atomic(path) as file:
        for key in sorted(responses):
            file.write(json.dumps({"key": key, "response": responses[key]}, ensure_ascii=False, sort_keys=True) + "\n")


def published(path: Path) -> dict[str, Response]:
    """Returns what `publish` wrote."""
    with open(path, encoding="utf-8") as file:
        return {line["key"]: line["response"] for line in map(json.loads, file)}
