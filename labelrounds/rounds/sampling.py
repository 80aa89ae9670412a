"""What is asked besides the queue: a random draw from the pool, second opinions, and suspected labels."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np

from labelrounds.core import params, paths, tables
from labelrounds.core.errors import UserError, at
from labelrounds.core.task import Task
from labelrounds.pool import reader
from labelrounds.pool.identity import near_duplicate_key
from labelrounds.rounds import audits, queue, record, vote


def draw_at_random(n: int, settings: params.Params) -> tuple[list[queue.Asked], int]:
    """Returns (up to `n` texts drawn evenly from those without a label, how many there are to draw from).

    No two near-duplicates are drawn, and none of a text that is labelled or was audited. The draw depends on the seed and
    the number of rounds, so that the same clone draws the same texts.
    """
    annotations = record.read_all(settings.labelled_task()) if record.round_files() else []
    audited = set(audits.drawn(settings.labelled_task())) if settings.task.labels else set()
    asked = {a.id for a in annotations} | audited
    source, rule = settings.data.pool, settings.split.near_duplicates
    digests, known, labelled = read_keys(settings, asked)
    labelled |= {digest_of(near_duplicate_key(a.text, rule)) for a in annotations if a.text is not None}
    distinct, first = np.unique(digests, return_index=True)
    free = np.sort(first[~np.isin(distinct, np.array(sorted(labelled), dtype=np.uint64))])
    size, left = len(digests), len(free)
    if not left:
        raise UserError(
            f"nothing is left to draw: of the {size} texts of {source}, {known} are labelled or audited"
            + (
                f", and {size - known} are near-duplicates of these (split.near_duplicates is {rule}: `strict` or `off` finds fewer)."
                if size > known
                else "."
            )
        )
    # The n smallest of one random number per distinct text: an even draw.
    randomness = np.random.default_rng([settings.seed, len(record.round_files())])
    numbers = free[np.argsort(randomness.random(left), kind="stable")[:n]].tolist()
    rows = reader.take(source, settings.data.text_column, numbers)
    return [queue.Asked(row.id, row.text, "", "", queue.own_of(row)) for row in map(rows.__getitem__, numbers)], left


def read_keys(settings: params.Params, asked: set[str]) -> tuple[np.ndarray, int, set[int]]:
    """Returns (a digest of each pool text's near-duplicate key, uint64 array of shape (n,); how many of the texts are `asked`; the digests of these)."""
    rule = settings.split.near_duplicates
    found = array("Q")
    known, labelled = 0, set()
    for some in reader.batches(settings.data.pool, settings.data.text_column):
        digests = [digest_of(near_duplicate_key(text, rule)) for text in some.texts]
        found.extend(digests)
        if not asked.isdisjoint(some.ids):
            mine = [digest for identity, digest in zip(some.ids, digests, strict=True) if identity in asked]
            known += len(mine)
            labelled |= set(mine)
    return np.array(found, dtype=np.uint64), known, labelled


def digest_of(key: str) -> int:
    """Returns 64 bits of a key: keys can be as long as texts, and one in 2**64 pairs of them has the same."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def draw_queue(task: Task) -> tuple[list[queue.Asked], int]:
    """Returns (the texts of the queue that have no label yet, how many texts the queue holds)."""
    waiting = queue.read()
    done = {annotation.id for annotation in record.read_all(task)} | set(audits.drawn(task))
    asked = [entry for entry in waiting if entry.id not in done]
    if not asked:
        raise UserError(f"all {len(waiting)} texts of the queue are labelled. Run `dvc repro` for the next queue.")
    return asked, len(waiting)


def draw_again(n: int, settings: params.Params) -> tuple[list[queue.Asked], int]:
    """Returns (up to `n` test texts for a second opinion, how many test texts there are), without label and suggestion.

    A random draw, but those with the fewest second opinions come first. Until answers are imported the same texts are
    drawn again, so that several people can be given the same ones.
    """
    if not paths.TEST.is_file():
        raise UserError(f"{at(paths.TEST)}: there are no test texts yet. Run `dvc repro` first.")
    given = Counter(a.id for a in record.read_all(settings.labelled_task()) if a.source == record.OPINION)
    texts = {row.cells["id"]: row.cells["text"] for row in tables.rows(paths.TEST)}

    def order(identity: str) -> tuple[int, str]:
        return given[identity], hashlib.sha256(f"{settings.seed}\0{identity}".encode()).hexdigest()

    return [queue.Asked(identity, texts[identity], "", "", {}) for identity in sorted(texts, key=order)[:n]], len(texts)


def outdated(settings: params.Params) -> list[str]:
    """Returns the ids of the texts whose label was split or retired and who have none since, by id."""
    task = settings.labelled_task()
    return sorted(vote.settle(record.read_all(task), task).outdated)


def draw_outdated(settings: params.Params) -> list[queue.Asked]:
    """Returns all texts whose label is no more, without label and suggestion; none is a UserError."""
    waiting = outdated(settings)
    if not waiting:
        raise UserError("no text waits to be labelled again: every label in the rounds is one of today's.")
    return asked_again(waiting, record.read_all(settings.labelled_task()), settings)


def asked_again(ids: Sequence[str], annotations: Sequence[record.Annotation], settings: params.Params) -> list[queue.Asked]:
    """Returns these labelled texts to be asked about again, blind; those are left out whose text neither a round nor the pool has."""
    texts = {a.id: a.text for a in annotations if a.text is not None}
    texts |= {identity: row.text for identity, row in reader.find(settings.data.pool, settings.data.text_column, set(ids)).items()}
    return [queue.Asked(identity, texts[identity], "", "", {}) for identity in ids if identity in texts]


def draw_suspects(settings: params.Params) -> tuple[list[queue.Asked], int]:
    """Returns (the first `suspects.size` texts whose label looks wrong, how many there are), without label and suggestion."""
    if not paths.SUSPECTS.is_file():
        raise UserError(f"{at(paths.SUSPECTS)}: there is no list of suspects yet. Run `dvc repro` first.")
    annotations = record.read_all(settings.labelled_task())
    settled = vote.settle(annotations, settings.labelled_task(), settings.split.consensus)
    answered = {a.id for a in annotations if a.source == record.CORRECTION} - settled.tied.keys()
    waiting = list(dict.fromkeys(row.cells["id"] for row in tables.rows(paths.SUSPECTS) if row.cells["id"] not in answered))
    if not waiting:
        raise UserError("no label looks wrong that has not been asked again. Run `dvc repro` for a new list.")
    return asked_again(waiting[: settings.suspects.size], annotations, settings), len(waiting)
