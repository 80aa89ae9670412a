"""The bootstrap's speed against a loop over scikit-learn, and how often its intervals hold the truth: `python -m benchmarks.bootstrap`.

Times are those of the processor, since machines are noisy; the smallest of several turns counts. The loop takes long,
so a fiftieth of its resamples is timed and multiplied. The coverage is that of simulated projects, whose true scores are known.
"""

import time
from collections.abc import Callable, Iterator

import click
import numpy as np

from labelrounds.core.task import MULTI_CLASS, MULTI_LABEL, Task
from labelrounds.measures import bootstrap, scores

# A sentiment task like the demo's: how often each label is given, and what a labeler makes of it.
PRIOR = np.asarray([0.27, 0.19, 0.54])
ANSWERS = np.asarray([[0.80, 0.08, 0.12], [0.33, 0.37, 0.30], [0.04, 0.03, 0.93]])
JOINT = PRIOR[:, None] * ANSWERS
TRUTH = {"accuracy": JOINT.trace(), "f1_macro": float(np.mean(2 * JOINT.diagonal() / (JOINT.sum(axis=0) + JOINT.sum(axis=1))))}


@click.command()
@click.option("--texts", default=2000, show_default=True, help="Test texts, for the time.")
@click.option("--labels", default=3, show_default=True, help="Labels of the task, for the time.")
@click.option("--multi-label", is_flag=True)
@click.option("--turns", default=3, show_default=True)
@click.option("--projects", default=500, show_default=True, help="Simulated projects, for the coverage; 0 leaves it out.")
def main(texts: int, labels: int, multi_label: bool, turns: int, projects: int) -> None:
    task = Task(MULTI_LABEL if multi_label else MULTI_CLASS, tuple(f"label{number}" for number in range(labels)))
    gold, predicted, probabilities = generated(texts, task)
    count = bootstrap.RESAMPLES
    ours = quickest(lambda: bootstrap.intervals(gold, predicted, probabilities, task, 13), turns)
    theirs = 50 * quickest(lambda: naive(gold, predicted, probabilities, task, count // 50), turns)
    print(
        f"{count} resamples of {texts} texts, {labels} labels, all scores: {ours:.2f} s; a loop over scikit-learn {theirs:.0f} s, {theirs / ours:.0f}x"
    )
    for n in (60, 200, 500) if projects else ():
        for name, draw in (("label counts drawn (ours)", bootstrap.resamples), ("label counts fixed", fixed_counts)):
            shown = ", ".join(f"{score} {share:.1%}" for score, share in coverage(draw, n, projects).items())
            print(f"{n} test texts, {name}: 95 % intervals hold the true {shown} of {projects} projects")


def generated(n: int, task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns gold labels, predictions that are often right, and scores, for n texts."""
    draw = np.random.default_rng(1)
    k = len(task.labels)
    if task.multi_label:
        gold = (draw.random((n, k)) < 0.1).astype(np.int64)
        probabilities = np.clip(0.4 * gold + draw.normal(0.25, 0.15, (n, k)), 0, 1)
        return gold, (probabilities >= 0.5).astype(np.int64), probabilities
    gold = np.eye(k, dtype=np.int64)[draw.integers(0, k, n)]
    probabilities = draw.dirichlet(np.ones(k), n) + 0.5 * gold
    return gold, np.eye(k, dtype=np.int64)[probabilities.argmax(axis=1)], probabilities


def naive(gold: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, task: Task, count: int) -> None:
    """Scores `count` resamples one by one, as one would first write it."""
    draw = np.random.default_rng(13)
    for _ in range(count):
        rows = draw.integers(0, len(gold), len(gold))
        scores.summary(gold[rows], predicted[rows], probabilities[rows], task)


def quickest(run: Callable[[], object], turns: int) -> float:
    """Returns the smallest time of `turns` runs, in seconds."""
    times = []
    for _ in range(turns):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


def fixed_counts(gold: np.ndarray, seed: int, count: int) -> Iterator[np.ndarray]:
    """Yields the resamples of the strictly stratified bootstrap: every label keeps its number of texts."""
    draw = np.random.default_rng(seed)
    weights = np.zeros((len(gold), count), dtype=np.float32)
    for label in range(gold.shape[1]):
        members = np.flatnonzero(gold[:, label])
        if len(members):
            weights[members] = draw.multinomial(len(members), np.full(len(members), 1 / len(members)), count).T
    yield weights


def coverage(draw: Callable[..., Iterator[np.ndarray]], n: int, projects: int) -> dict[str, float]:
    """Returns the share of simulated projects with n test texts whose interval holds the true score."""
    task = Task(MULTI_CLASS, ("negative", "neutral", "positive"))
    world = np.random.default_rng(5)
    held = dict.fromkeys(TRUTH, 0)
    resamples = bootstrap.resamples
    try:
        bootstrap.resamples = draw
        for number in range(projects):
            cells = world.choice(9, size=n, p=JOINT.ravel())
            gold, predicted = np.eye(3, dtype=np.int64)[cells // 3], np.eye(3, dtype=np.int64)[cells % 3]
            found = bootstrap.intervals(gold, predicted, predicted, task, number, 500)
            for score, truth in TRUTH.items():
                held[score] += found[score][0] <= truth <= found[score][1]
    finally:
        bootstrap.resamples = resamples
    return {score: count / projects for score, count in held.items()}


if __name__ == "__main__":
    main()
