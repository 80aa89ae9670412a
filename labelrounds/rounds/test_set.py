"""The test set of the last commit, to say which of its texts have left: scores before and after that do not compare."""

import csv
import json
from collections.abc import Collection

from labelrounds.core import paths, revisions
from labelrounds.core.errors import UserError


def of_last_commit() -> set[str]:
    """Returns the ids of the test texts that the last commit measured on; empty where there is no commit, or none was measured."""
    try:
        commit = revisions.resolve("HEAD")
        wanted = json.loads(revisions.read(commit, f"{paths.METRICS}/split.json") or "{}").get("fingerprint")
        for path in revisions.files(commit, str(paths.METRICS)):
            if wanted and path.endswith("/test.csv"):
                measured = json.loads(revisions.read(commit, path.removesuffix("/test.csv") + ".json") or "{}")
                if measured.get("test", {}).get("fingerprint") == wanted:
                    return {row["id"] for row in csv.DictReader((revisions.read(commit, path) or "").splitlines())}
    except (UserError, ValueError, KeyError, AttributeError):  # no git, no commit, or files of another version
        pass
    return set()


def lost(now: Collection[str], labelled: Collection[str]) -> list[str]:
    """Returns a warning about the texts that have left the test set, in a list that is empty where none has.

    now : ids of the test texts; labelled : ids of all texts with a label
    """
    gone = sorted(of_last_commit() - set(now))
    if not gone:
        return []
    shown = ", ".join(f"{identity} ({'on another side now' if identity in labelled else 'without a label now'})" for identity in gone[:5])
    return [
        f"Warning: {len(gone)} texts of the last commit's test set are no longer in it: {shown}{', …' if len(gone) > 5 else ''}. "
        "Scores before and after do not compare. If nobody meant that, restore the rounds, the pool, `group` and the section `split`."
    ]
