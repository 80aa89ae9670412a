"""The next queue in seconds: a probe on the base model's vectors learns from all rounds and chooses, without a stage of the pipeline.

The vectors of the pool are kept in scratch/vectors/, so only texts that are new there are read by the model again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at
from labelrounds.core.examples import Examples
from labelrounds.core.params import Params
from labelrounds.core.task import Task, indicator
from labelrounds.labelers import contract, vectors
from labelrounds.measures import acquisition
from labelrounds.methods import probe
from labelrounds.models import base_models, pooling, runtime
from labelrounds.pool import kept, reader
from labelrounds.rounds import candidates, queue, record, split, vote

ROOM = paths.SCRATCH / "vectors"
ENCODER = "vanilla"


@dataclass(frozen=True)
class Quick:
    """What was chosen, how well the probe does on training texts that it has not seen, and how much it read.

    texts : the number of training texts; embedded : texts of the pool whose vectors were made now, of `pool`
    """

    asked: list[queue.Asked]
    head: str
    reached: float
    texts: int
    embedded: int
    pool: int


def choose(settings: Params) -> Quick:
    """Returns the next texts to ask about, by a probe that learns from the training texts of all rounds."""
    task = settings.labelled_task()
    held_out = split.holdout_rounds(settings.split.holdout_rounds)
    made = split.draw(vote.deciding(record.read_all(task)), task, settings.split, settings.data, held_out)
    train = examples(made, task)
    if len(set(map(tuple, train.gold.tolist()))) < 2:
        raise UserError(
            f"the training texts of {at(paths.ROUNDS)} hold fewer than two different labels: there is nothing to tell apart yet. Label more texts."
        )
    base = paths.BASE_MODELS / ENCODER
    if not base.is_dir():
        raise UserError(f"{at(base)}: the base model is not here yet. Run `dvc repro base` (or `dvc pull base`) first.")
    machine = runtime.of(settings)
    card = contract.new_card(
        "linear-probe", task, paths.ROUNDS, len(train), settings.model.max_length, None, pooling.for_vectors(base, settings.model.pooling)
    )
    embedder = vectors.start(base_models.open_base(base), card, machine)
    knobs = settings.section("probe", probe.Settings)
    known = embedder.embed(train.texts, settings.predict.batch_size)
    head, reached, unseen = probe.choose(known, train, card, knobs, settings.seed)
    weights, bias = probe.fit(known, train.gold, task, head)
    card = contract.calibrated(card, unseen, train.gold)
    pool, embedded, total = pool_vectors(embedder, base, settings)
    scores = contract.probabilities((pool @ weights.T + bias).astype(np.float64), card)
    return Quick(ask(scores, pool, made, card, settings), str(head), reached, len(train), embedded, total)


def examples(made: split.Split, task: Task) -> Examples:
    """Returns the training texts of a split as models take them."""
    ids, settled = zip(*made.members["train"], strict=True) if made.members["train"] else ((), ())
    return Examples(list(ids), [made.texts[identity] for identity in ids], indicator([one.labels for one in settled], task))


def pool_vectors(embedder: vectors.Embedder, base: Path, settings: Params) -> tuple[np.ndarray, int, int]:
    """Returns (unit vectors of all texts of the pool, float32 of shape (n, d); how many were made now; n). Kept part by part."""
    room = kept.folder(f"{files.fingerprint(base)}-{embedder.pooling}-{embedder.max_length}-{runtime.hardware()}", ROOM)
    found, parts, made = [], [], 0
    with tqdm(desc="vectors of the pool", unit=" texts", unit_scale=True, mininterval=1.0) as bar:
        for _, texts in reader.parts(settings.data.pool, settings.data.text_column, settings.predict.shard_size):
            part = room / Path(kept.name(texts)).with_suffix(".npy")
            if not part.is_file():
                made += len(texts)
                with files.atomic(part, "wb") as file:
                    np.save(file, embedder.embed(texts, settings.predict.batch_size, bar.update))
            parts.append(part)
            found.append(np.load(part))
    kept.clean(room, parts)
    pool = np.concatenate(found)
    return pool, made, len(pool)


def ask(scores: np.ndarray, pool: np.ndarray, made: split.Split, card: contract.Card, settings: Params) -> list[queue.Asked]:
    """Returns the entries of the queue, chosen by `select.strategy` among texts that are neither labelled nor held out."""
    select, task = settings.select, card.schema
    strategy = acquisition.strategy(select.strategy)
    taken = made.heldout | set(made.texts)
    free = np.asarray([number for number, identity in enumerate(pool_ids(settings)) if identity not in taken], dtype=np.int64)
    ordered = free[strategy.order(strategy.uncertainty(scores[free].astype(np.float64), task.multi_label), settings.seed)]
    size = select.size if strategy.spread is None else max(select.candidates, select.size)
    found = candidates.distinct(ordered, size, settings.data, task, settings.split.near_duplicates)
    if strategy.spread is not None:
        found = [found[number] for number in strategy.spread(pool[[number for number, _ in found]], select.size, settings.seed)]
    said = scores[[number for number, _ in found]]
    labels, sure = contract.decide(said, card), contract.confidence(said, card)
    return [
        queue.Asked(row.id, row.text, task.spell(some), f"{confidence:.4f}", queue.own_of(row))
        for (_, row), some, confidence in zip(found, labels, sure, strict=True)
    ]


def pool_ids(settings: Params) -> Iterator[str]:
    """Yields the id of every text of the pool, in its order."""
    return chain.from_iterable(some.ids for some in reader.batches(settings.data.pool, settings.data.text_column))
