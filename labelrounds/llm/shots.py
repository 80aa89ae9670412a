"""Few-shot examples: which labelled texts a prompt shows, with their answers."""

from collections.abc import Sequence

import numpy as np

from labelrounds.core.task import Task
from labelrounds.llm.prompt import Example
from labelrounds.pool.identity import near_duplicate_key

NONE, FIXED, RANDOM, NEAREST = "none", "fixed", "random", "nearest"


def balanced(known: Sequence[Example], shots: int, task: Task, seed: int) -> list[Example]:
    """Returns so many of the `known` at random, each label in turn as long as it has some, in random order.

    Multi-label: a text stands for its rarest label, one without labels for a label of its own.
    """
    draw = np.random.default_rng(seed)
    count = {label: sum(label in example.labels for example in known) for label in task.labels}
    groups: dict[str, list[Example]] = {}
    for number in draw.permutation(len(known)):
        example = known[number]
        groups.setdefault(min(example.labels, key=lambda label: (count[label], task.index[label]), default=""), []).append(example)
    order = [label for label in (*task.labels, "") if label in groups]
    chosen: list[Example] = []
    while len(chosen) < min(shots, len(known)):
        chosen += [groups[label].pop() for label in order if groups[label]]
    chosen = chosen[:shots]
    return [chosen[number] for number in draw.permutation(len(chosen))]


def nearest(texts: Sequence[str], vectors: np.ndarray, known: Sequence[Example], known_vectors: np.ndarray, shots: int) -> list[tuple[Example, ...]]:
    """Returns for each text the so many nearest of the `known` by cosine, the nearest last, where a model heeds it most.

    A text is never shown itself, nor a near-duplicate, with the answer that is asked for.
    vectors : float32 of shape (n_texts, d); known_vectors : float32 of shape (n_known, d)
    """
    keys = [near_duplicate_key(example.text) for example in known]
    found = []
    for text, vector in zip(texts, _unit(vectors), strict=True):
        own = near_duplicate_key(text)
        # To five digits: the last ones depend on how a machine sums, and must not decide which of two is nearer.
        near = np.round(_unit(known_vectors) @ vector, 5)
        order = [int(number) for number in np.argsort(-near, kind="stable") if keys[number] != own]
        found.append(tuple(known[number] for number in reversed(order[:shots])))
    return found


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
