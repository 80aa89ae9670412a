"""A snapshot of what the model knows, taken by `labelrounds import` before it brings a new round in."""

from collections import Counter
from pathlib import Path
from typing import Any

from labelrounds.core import files, params, paths, tables
from labelrounds.core.errors import UserError
from labelrounds.labelers import contract
from labelrounds.measures import snapshots
from labelrounds.measures.snapshots import Snapshot
from labelrounds.pool import predictions
from labelrounds.rounds import names, record, vote


class Stale(Exception):
    """The models and metrics on disk are not those of the rounds on disk; the message says why."""


def keep(settings: params.Params) -> Path:
    """Writes the snapshot of the newest round and returns its path; raises Stale, and writes nothing, if there is none to take.

    A snapshot of that round that is there already is replaced: the models on disk are the last that learnt from it.
    """
    return snapshots.write(take(settings))


def take(settings: params.Params) -> Snapshot:
    """Returns what the model on disk knows; raises Stale where models, metrics and rounds do not belong together."""
    task = settings.labelled_task()
    annotations = vote.deciding(record.read_all(task))
    here = Counter(a.round for a in annotations)
    split = _json(paths.METRICS / "split.json")
    measured = {name: counts["annotations"] for name, counts in split.get("rounds", {}).items()}
    if not here or measured != here:
        raise Stale("the rounds on disk have not been through `dvc repro`")
    folder = paths.LABELERS / settings.deploy
    if not (folder / contract.CARD).is_file() or not paths.TRAIN.is_file() or not paths.SHARDS.is_dir():
        raise Stale("the models are not on disk (`dvc pull` brings them)")
    learnt = contract.read_card(folder).training.get("fingerprint")
    if learnt not in (None, files.sha256(paths.TRAIN)[:16]):
        raise Stale(f"the labeler {settings.deploy} was trained on other labels")
    if tuple(contract.read_card(folder).labels) != task.labels:
        raise Stale(f"the labeler {settings.deploy} knows other labels than params.yaml")
    model = files.fingerprint(folder)
    if predictions.labelers() != {model}:
        raise Stale("the predictions are another model's")
    measured_as = paths.METRICS / settings.deploy / "test.csv"
    if not measured_as.is_file() or _json(paths.METRICS / f"{settings.deploy}.json").get("test", {}).get("fingerprint") != split["fingerprint"]:
        raise Stale(f"the labeler {settings.deploy} has not been measured on these test texts")
    test = {row.cells["id"]: row.cells["predicted"] for row in tables.rows(measured_as)}
    pool = {identity: labels for identity, labels in predictions.cells(task.column) if identity in test}
    # A model killed between `predict` and `evaluate`: its words on the test texts must be those it said in the pool. The
    # last bits depend on which texts share a batch, so a text on the fence may differ.
    if sum(test[identity] != labels for identity, labels in pool.items()) > max(2, 0.01 * len(pool)):
        raise Stale("the predictions on the test texts are another model's")
    taken = {a.id for a in annotations} | set(files.read_text(paths.HELDOUT).split())
    return Snapshot(
        max(here, key=names.order),
        settings.deploy,
        model,
        split["train"],
        dict(sorted(test.items())),
        snapshots.stop_set(predictions.cells(task.column), taken),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        return files.read_json(path)
    except (OSError, UserError):
        return {}
