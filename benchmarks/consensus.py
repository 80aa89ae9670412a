"""What three raters per text are worth, by majority and by Dawid and Skene, against all twenty: `python -m benchmarks.consensus`.

The demo's texts were rated by twenty people or more. Each turn draws some texts, three raters for each, settles the texts, and compares
with the label of the mean of all. The data set names no rater: the place in its list of ratings stands for one. So the
second half of the table adds raters who are known to be careless: they give a label at random, as often as everybody gives it.
A majority that is tied has no label; `right` counts it as wrong, since the text cannot train.
"""

import click
import numpy as np
from scipy.stats import t

from labelrounds.core import tables
from labelrounds.core.task import MULTI_CLASS, Task
from labelrounds.measures import scores
from labelrounds.people import demo
from labelrounds.rounds import vote
from labelrounds.rounds.record import Annotation

TASK = Task(MULTI_CLASS, ("negative", "neutral", "positive"))
RATERS = 20


@click.command()
@click.option("--texts", default=1000, show_default=True, help="Texts of each turn.")
@click.option("--each", default=3, show_default=True, help="Raters per text.")
@click.option("--seeds", default=10, show_default=True)
@click.option("--careless", default=5, show_default=True, help="Of the twenty raters, in the second half of the table.")
def main(texts: int, each: int, seeds: int, careless: int) -> None:
    ratings, gold = read()
    print(f"{len(gold)} texts; in each of {seeds} turns {texts} of them, {each} of {RATERS} raters per text; means and 95 % intervals over the turns")
    print(f"{'raters':24} {'consensus':12} {'tied':>7} {'right':>24} {'macro-F1':>24}")
    for name, bad in (("as they are", 0), (f"{careless} of {RATERS} careless", careless)):
        found = [turn(ratings, gold, texts, each, bad, seed) for seed in range(seeds)]
        for rule in (vote.MAJORITY, vote.DAWID_SKENE):
            tied, right, f1 = np.asarray([one[rule] for one in found]).T
            print(f"{name:24} {rule:12} {tied.mean():7.1%} {over(right):>24} {over(f1):>24}")
        _, right, f1 = (np.asarray([one[vote.DAWID_SKENE] for one in found]) - np.asarray([one[vote.MAJORITY] for one in found])).T
        print(f"{'':24} {'difference':12} {'':7} {over(right, '+'):>24} {over(f1, '+'):>24}")


def read() -> tuple[np.ndarray, np.ndarray]:
    """Returns (the first twenty ratings of each text as labels, shape (n, 20); the label of the mean of all ratings, (n,))."""
    given, gold = [], []
    for row in tables.rows(demo.RATINGS):
        values = row.cells["ratings"].split()
        if len(values) >= RATERS:
            given.append([TASK.index[demo.label_of(float(value), 0.5)] for value in values[:RATERS]])
            gold.append(TASK.index[demo.label_of(float(row.cells["mean"]), 0.5)])
    return np.asarray(given), np.asarray(gold)


def turn(ratings: np.ndarray, gold: np.ndarray, texts: int, each: int, careless: int, seed: int) -> dict[str, tuple[float, float, float]]:
    """Returns {rule: (share of ties, share that is right, macro-F1)} of one draw."""
    draw = np.random.default_rng(seed)
    rows = draw.choice(len(gold), texts, replace=False)
    said = ratings[rows].copy()
    bad = draw.choice(RATERS, careless, replace=False)
    said[:, bad] = draw.choice(len(TASK.labels), (texts, careless), p=np.bincount(ratings.ravel()) / ratings.size)
    annotations = [
        Annotation(str(number), None, (TASK.labels[said[number, rater]],), f"rater-{rater:02d}", "human", "", "01", "")
        for number in range(texts)
        for rater in draw.choice(RATERS, each, replace=False)
    ]
    found = {}
    for rule in (vote.MAJORITY, vote.DAWID_SKENE):
        labels = vote.settle(annotations, TASK, rule).labels
        settled = np.asarray([TASK.index[labels[str(number)].labels[0]] if str(number) in labels else -1 for number in range(texts)])
        one = np.eye(len(TASK.labels), dtype=np.int64)
        predicted = np.where(settled[:, None] >= 0, one[settled], 0)
        found[rule] = (float((settled < 0).mean()), float((settled == gold[rows]).mean()), scores.macro_f1(one[gold[rows]], predicted))
    return found


def over(values: np.ndarray, sign: str = "") -> str:
    """Returns the mean over the turns, and its 95 % interval by Student's t."""
    half = float(t.ppf(0.975, len(values) - 1)) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():{sign}.3f} ({values.mean() - half:{sign}.3f} to {values.mean() + half:{sign}.3f})"


if __name__ == "__main__":
    main()
