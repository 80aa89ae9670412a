"""What the model knew before each round: data/history/NN.json, written by `labelrounds import`, kept in git.

The stages know only the rounds that are there now. To say how much the last rounds changed, they need what the models
before said of the same texts. So an import keeps that, before it brings a new round in: the labels that the deployed
labeler, trained on the rounds up to NN, gives to the test texts and to a fixed sample of the unlabelled pool, the stop
set. Ids and labels alone, one per line.
"""

import heapq
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from labelrounds.core import files, params, tables
from labelrounds.core.errors import UserError, at
from labelrounds.labelers import contract
from labelrounds.rounds import examples, record

FOLDER = Path("data/history")
SHARDS = Path("data/predictions/shards")
HELDOUT = examples.SPLIT / "heldout.txt"
METRICS = Path("metrics")
STOP_SET = 1000  # texts; kappa is then known to about 0.02


@dataclass(frozen=True)
class Snapshot:
    """round : the newest that the model learnt from; labeler : its name; model : its fingerprint; train : number of texts

    test, stop : {id: the labels as a cell}, sorted by id
    """

    round: str
    labeler: str
    model: str
    train: int
    test: dict[str, str]
    stop: dict[str, str]


class Stale(Exception):
    """The models and metrics on disk are not those of the rounds on disk; the message says why."""


def keep(settings: params.Params) -> Path:
    """Writes the snapshot of the newest round and returns its path; raises Stale, and writes nothing, if there is none to take.

    A snapshot of that round that is there already is replaced: the models on disk are the last that learnt from it.
    """
    snapshot = take(settings)
    path = FOLDER / f"{snapshot.round}.json"
    files.write_json(path, asdict(snapshot))
    return path


def take(settings: params.Params) -> Snapshot:
    """Returns what the model on disk knows; raises Stale where models, metrics and rounds do not belong together."""
    task = settings.labelled_task()
    annotations = record.deciding(record.read_all(task))
    here = _counted(a.round for a in annotations)
    split = _json(METRICS / "split.json")
    measured = {name: counts["annotations"] for name, counts in split.get("rounds", {}).items()}
    if not here or measured != here:
        raise Stale("the rounds on disk have not been through `dvc repro`")
    folder = contract.ROOT / settings.deploy
    if not (folder / contract.CARD).is_file() or not examples.TRAIN.is_file() or not SHARDS.is_dir():
        raise Stale("the models are not on disk (`dvc pull` brings them)")
    learnt = contract.read_card(folder).training.get("fingerprint")
    if learnt not in (None, files.sha256(examples.TRAIN)[:16]):
        raise Stale(f"the labeler {settings.deploy} was trained on other labels")
    model = files.fingerprint(folder)
    if any(column != {model} for column in shard_labelers()):
        raise Stale("the predictions are another model's")
    predictions = METRICS / settings.deploy / "test.csv"
    if not predictions.is_file() or _json(METRICS / f"{settings.deploy}.json").get("test", {}).get("fingerprint") != split["fingerprint"]:
        raise Stale(f"the labeler {settings.deploy} has not been measured on these test texts")
    test = {row.cells["id"]: row.cells["predicted"] for row in tables.rows(predictions)}
    pool = {identity: labels for identity, labels in pool_labels(task.column) if identity in test}
    # A model killed between `predict` and `evaluate`: its words on the test texts must be those it said in the pool. The
    # last bits depend on which texts share a batch, so a text on the fence may differ.
    if sum(test[identity] != labels for identity, labels in pool.items()) > max(2, 0.01 * len(pool)):
        raise Stale("the predictions on the test texts are another model's")
    taken = {a.id for a in annotations} | set(HELDOUT.read_text(encoding="utf-8").split())
    return Snapshot(max(here, key=int), settings.deploy, model, split["train"], dict(sorted(test.items())), stop_set(pool_labels(task.column), taken))


def stop_set(pool: Iterable[tuple[str, str]], taken: set[str]) -> dict[str, str]:
    """Returns the stop set's ids and labels: of the pool without `taken`, the 1,000 smallest ids.

    Ids are digests, so this is a random sample, and nearly the same one after every round.
    """
    return dict(heapq.nsmallest(STOP_SET, ((identity, labels) for identity, labels in pool if identity not in taken)))


def pool_labels(column: str) -> Iterator[tuple[str, str]]:
    """Yields (id, the deployed labeler's labels as a cell) of the whole pool, from data/predictions."""
    import pyarrow.parquet

    for shard in tables.shards(SHARDS):
        table = pyarrow.parquet.read_table(shard, columns=["id", column])
        yield from zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True)


def shard_labelers() -> Iterator[set[str]]:
    """Yields the fingerprints of the labelers that made each shard of the predictions."""
    import pyarrow.parquet

    for shard in tables.shards(SHARDS):
        yield set(pyarrow.parquet.read_table(shard, columns=["labeler"])["labeler"].unique().to_pylist())


def read_all(folder: Path = FOLDER) -> list[Snapshot]:
    """Returns the snapshots, oldest round first; a file that is none is a UserError."""
    found = []
    for path in sorted(folder.glob("*")):
        if path.name == "README.md" or path.name.startswith("."):
            continue
        wrong = UserError(
            f"{at(path)}: not a snapshot of a round, as `labelrounds import` writes them (such as 02.json). Remove it, or restore it from git."
        )
        if not re.fullmatch(r"\d{2,}\.json", path.name):
            raise wrong
        try:
            found.append(Snapshot(**json.loads(path.read_text(encoding="utf-8"))))
        except (ValueError, TypeError):
            raise wrong from None
    return sorted(found, key=lambda snapshot: int(snapshot.round))


def _counted(names: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        found[name] = found.get(name, 0) + 1
    return found


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
