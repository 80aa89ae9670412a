"""The learning curve: F1 by number of labels, for several recipes and seeds, each point computed once.

A point is kept with a key: a digest of everything that decides its result but the code. It holds the labeler's
answers on the test set, from which F1 and the intervals of differences are worked out anew.
"""

import ast
import base64
import hashlib
import importlib.metadata
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files
from labelrounds.core.task import Task
from labelrounds.measures import scores

LIBRARIES = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy")
RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Point:
    """What one recipe learnt from the first `labels` training texts with one seed.

    key : digest of the inputs and settings; made_by : digest of the code and libraries that computed it
    answers : the labels it gave to the test texts, see `pack`
    """

    recipe: str
    labels: int
    seed: int
    key: str
    made_by: str
    answers: str


def key_of(inputs: dict[str, Any]) -> str:
    """Returns 16 hex digits over everything that decides a point's result, as JSON."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]


def made_by(package: Path = Path(__file__).parents[1]) -> str:
    """Returns 16 hex digits over our code, but for comments, docstrings and format, and over the libraries' versions."""
    known = {name: importlib.metadata.version(name) for name in LIBRARIES}
    for path in sorted(package.rglob("*.py")):
        known[path.relative_to(package).as_posix()] = meaning(path.read_text(encoding="utf-8"))
    return key_of(known)


def meaning(source: str) -> str:
    """Returns the syntax tree of a module's source without its docstrings, as text."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body[:1] = []
    return ast.dump(tree)


def order(rounds: dict[str, int], seed: int) -> list[str]:
    """Returns the ids of training texts in the order in which they count as labelled: by round, within a round as the seed draws.

    rounds : {id: number of its round}. A later round goes to the end, so the slices of the earlier ones stay as they were.
    """

    def place(identity: str) -> tuple[int, str]:
        return rounds[identity], hashlib.sha256(f"{seed}\0{identity}".encode()).hexdigest()

    return sorted(rounds, key=place)


# Points on disk: one file per recipe, one line per point


def read(name: str, folder: Path) -> dict[str, Point]:
    """Returns {key: point} of a recipe; a line that is no point (a conflict's mark, an older form) counts as not there."""
    path, found = folder / f"{name}.jsonl", {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            point = Point(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[point.key] = point
    return found


def write(name: str, points: Iterable[Point], folder: Path) -> None:
    """Writes the points of a recipe in one step, by number of labels and seed."""
    lines = sorted(points, key=lambda point: (point.labels, point.seed, point.key))
    with files.atomic(folder / f"{name}.jsonl") as file:
        file.writelines(json.dumps(asdict(point), ensure_ascii=False) + "\n" for point in lines)


def pack(predicted: np.ndarray, task: Task) -> str:
    """Returns a 0/1 matrix of shape (n, n_labels) as text: base64 of one label id per text, or for multi-label of its bits."""
    if task.multi_label:
        return base64.b64encode(np.packbits(predicted.astype(bool)).tobytes()).decode()
    return base64.b64encode(predicted.argmax(axis=1).astype("<u2").tobytes()).decode()


def unpack(answers: str, n: int, task: Task) -> np.ndarray:
    """Returns the 0/1 int matrix of shape (n, n_labels) that `pack` packed."""
    data, k = base64.b64decode(answers), len(task.labels)
    if task.multi_label:
        return np.unpackbits(np.frombuffer(data, np.uint8), count=n * k).reshape(n, k).astype(np.int64)
    return np.eye(k, dtype=np.int64)[np.frombuffer(data, "<u2")]


# What the points say


@dataclass(frozen=True)
class Interval:
    """A mean difference of macro-F1 and its 95 % confidence interval."""

    difference: float
    low: float
    high: float


def difference(ours: np.ndarray, others: np.ndarray, gold: np.ndarray) -> Interval:
    """Returns by how much macro-F1 of `ours` exceeds that of `others`, paired over seeds and over test texts.

    ours, others : 0/1 predictions of shape (n_seeds, n_texts, n_labels), the same seeds in the same order
    gold : 0/1 matrix of shape (n_texts, n_labels)

    Two things were drawn: the seeds (which labels come first, initial weights, batches) and the test texts. The
    variance of the mean over seeds is s² / n_seeds of the paired differences; that over texts comes from a
    bootstrap of the texts, the same resamples for both sides. Their sum, with Student's t at the degrees of freedom of
    Welch and Satterthwaite (1946), gives the interval. With few seeds it is wide, as it should be; with one seed it
    speaks of the texts alone.
    """
    from scipy.stats import t

    n_seeds, n_texts = len(ours), len(gold)

    def gains(weights: np.ndarray) -> np.ndarray:
        return np.asarray(
            [scores.macro_f1_by(weights, gold, one) - scores.macro_f1_by(weights, gold, other) for one, other in zip(ours, others, strict=True)]
        )

    per_seed = gains(np.ones((1, n_texts)))[:, 0]
    draws = np.random.default_rng(0).multinomial(n_texts, np.full(n_texts, 1 / n_texts), RESAMPLES).astype(np.float64)
    of_texts = gains(draws).mean(axis=0).var(ddof=1)
    of_seeds = per_seed.var(ddof=1) / n_seeds if n_seeds > 1 else 0.0
    total = of_seeds + of_texts
    if total == 0:
        return Interval(float(per_seed.mean()), float(per_seed.mean()), float(per_seed.mean()))
    freedom = total**2 / ((of_seeds**2 / (n_seeds - 1) if n_seeds > 1 else 0) + of_texts**2 / (n_texts - 1))
    half = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(total)
    return Interval(float(per_seed.mean()), float(per_seed.mean()) - half, float(per_seed.mean()) + half)


COLUMNS = ["labels", "recipe", "seed", "f1_micro", "f1_macro"]
SUMMARY = ["labels", "recipe", "seeds", "f1_macro", "f1_macro_deviation", "f1_micro", "f1_micro_deviation", "difference", "low", "high"]


def table(points: Sequence[Point], gold: np.ndarray, task: Task) -> list[tuple[Any, ...]]:
    """Returns one row of COLUMNS per point."""
    rows = []
    for point in points:
        predicted = unpack(point.answers, len(gold), task)
        found = scores.summary(gold, predicted, predicted.astype(float), task)
        rows.append((point.labels, point.recipe, point.seed, found["f1_micro"], found["f1_macro"]))
    return rows


def summary(points: Sequence[Point], gold: np.ndarray, task: Task, against: str) -> list[tuple[Any, ...]]:
    """Returns one row of SUMMARY per number of labels and recipe; the difference is to the recipe `against` at the same labels.

    A recipe without labels stands at 0 and is compared at every size; None where there is nothing to compare.
    """
    groups: dict[tuple[int, str], dict[int, np.ndarray]] = {}
    for point in points:
        groups.setdefault((point.labels, point.recipe), {})[point.seed] = unpack(point.answers, len(gold), task)
    f1 = {(size, name, seed): (micro, macro) for size, name, seed, micro, macro in table(points, gold, task)}
    sizes = sorted({size for size, name in groups if name == against})
    rows = []
    for size, name in sorted(groups):
        values = np.asarray([f1[size, name, seed] for seed in sorted(groups[size, name])])
        mean, deviation = values.mean(axis=0), values.std(axis=0, ddof=1) if len(values) > 1 else (None, None)
        for at in [size] if size else [0, *sizes]:
            rows.append((at, name, len(values), mean[1], deviation[1], mean[0], deviation[0], *compared(groups, size, name, at, against, gold)))
    return [tuple(round(float(cell), 6) if isinstance(cell, float) else cell for cell in row) for row in sorted(rows, key=lambda row: row[:2])]


def compared(
    groups: dict[tuple[int, str], dict[int, np.ndarray]], size: int, name: str, at: int, against: str, gold: np.ndarray
) -> tuple[float | None, float | None, float | None]:
    """Returns (difference, low, high) between a recipe's points of one size and those of `against` at another, over their common seeds."""
    ours, others = groups[size, name], groups.get((at, against), {})
    if not size and others:  # one labeler for all seeds
        ours = dict.fromkeys(others, next(iter(ours.values())))
    common = sorted(set(ours) & set(others))
    if name == against or not common:
        return None, None, None
    found = difference(np.stack([ours[seed] for seed in common]), np.stack([others[seed] for seed in common]), gold)
    return found.difference, found.low, found.high


def in_words(row: dict[str, str], against: str) -> str:
    """Returns a row of the summary as a sentence: `adapted - vanilla at 200 labels: +1.8 F1 [-0.4, +3.9], 5 seeds`."""
    points = [f"{100 * float(row[name]):+.1f}" for name in ("difference", "low", "high")]
    return f"{row['recipe']} - {against} at {row['labels']} labels: {points[0]} F1 [{points[1]}, {points[2]}], {row['seeds']} seed{'s' * (row['seeds'] != '1')}"
