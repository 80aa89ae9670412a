"""A random draw from the pool: the first round, and any later one that may be held out."""

import heapq

import numpy as np

from labelrounds import audits, params, pool, queue, rounds
from labelrounds.errors import UserError
from labelrounds.texts import near_duplicate_key


def draw_at_random(n: int, settings: params.Params) -> tuple[list[queue.Asked], int]:
    """Returns (up to `n` texts drawn evenly from those without a label, how many there are to draw from).

    No two near-duplicates are drawn, and none of a text that is labelled or was audited. The draw depends on the seed and
    the number of rounds, so that the same clone draws the same texts.
    """
    source, column = settings.data.pool, settings.data.text_column
    annotations = rounds.read_all(settings.labelled_task()) if rounds.paths() else []
    audited = set(audits.drawn(settings.labelled_task())) if settings.task.labels else set()
    texts = [row.text for row in pool.find(source, column, {a.id for a in annotations} | audited).values()]
    labelled = {near_duplicate_key(text) for text in (*texts, *(a.text for a in annotations if a.text is not None))}
    randomness = np.random.default_rng([settings.seed, len(rounds.paths())])
    # The n smallest of one random number per distinct text: an even draw in one pass and small memory.
    keep: list[tuple[float, int, pool.PoolText]] = []
    seen = set(labelled)
    for number, row in enumerate(pool.stream(source, column)):
        key = near_duplicate_key(row.text)
        if key in seen:
            continue
        seen.add(key)
        entry = (-randomness.random(), number, row)
        if len(keep) < n:
            heapq.heappush(keep, entry)
        elif entry > keep[0]:
            heapq.heapreplace(keep, entry)
    left = len(seen) - len(labelled)
    if not left:
        raise UserError(f"every text of {source} is labelled: there is nothing to draw.")
    chosen = [row for _, _, row in sorted(keep, key=lambda entry: -entry[0])]
    return [queue.Asked(row.id, row.text, "", "", queue.own_of(row)) for row in chosen], left
