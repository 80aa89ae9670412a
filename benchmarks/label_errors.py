"""How many flipped labels stand among the first tenth of the suspects: `python -m benchmarks.label_errors`.

Flips 5 % of the demo's training labels to another label at random, then does what the stage `suspects` does, and
prints which share of the flipped ones it ranks among the first 10 %; chance would rank 10 % there. Both judges take
their turn: the probe on the encoder's vectors, and the fine-tuned encoder. Needs data/split and models/encoder
(`dvc repro`); with --texts also the demo's ratings, which label as many random texts of the pool as a project of that
size would have.
"""

import tempfile
from pathlib import Path

import click
import numpy as np

from labelrounds.core import examples, params, paths, tables
from labelrounds.core.task import indicator
from labelrounds.measures import label_errors
from labelrounds.methods import judging
from labelrounds.people import demo
from labelrounds.pool import reader

FIRST = 0.1


@click.command()
@click.option("--seeds", default=3, show_default=True, help="So many times, with other flips.")
@click.option("--share", default=0.05, show_default=True, help="Of the labels that are flipped.")
@click.option("--texts", type=click.IntRange(50), help="So many random texts of the pool with the demo's labels.  [default: data/split/train.csv]")
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="As suspects.folds in params.yaml.")
@click.option("--probe", is_flag=True, help="The probe alone, in seconds.")
def main(seeds: int, share: float, texts: int | None, folds: int, probe: bool) -> None:
    settings = params.load()
    task = settings.labelled_task()
    clean = from_ratings(texts, settings, task) if texts else examples.read(paths.TRAIN, task)
    valid = examples.read(paths.VALID, task)
    encoder = Path("models/encoder") / settings.suspects.encoder
    print(f"{len(clean)} texts, {share:.0%} of the labels flipped; which share of these is among the first {FIRST:.0%} (chance: {FIRST:.0%})")
    found = {judge: [] for judge in (["probe"] if probe else ["probe", "fine-tuned"])}
    for seed in range(seeds):
        flipped = flip(clean, share, seed)
        wrong = (flipped.gold != clean.gold).any(axis=1)
        for judge, shares in found.items():
            asked = settings.model_copy(update={"suspects": settings.suspects.model_copy(update={"judge": judge, "folds": folds})})
            with tempfile.TemporaryDirectory() as folder:
                probabilities = judging.out_of_fold(flipped, valid, encoder, asked, Path(folder))
            judged = label_errors.judge(flipped.gold, probabilities, task.multi_label)
            shares.append(label_errors.found_among(judged.order, wrong, FIRST))
            right = (probabilities.argmax(axis=1) == clean.gold.argmax(axis=1)).mean()
            denied = f"{judged.denied.sum()} denied, of which {wrong[judged.denied].mean() if judged.denied.any() else 0:.0%} were flipped"
            print(f"seed {seed}  {judge:10}  {shares[-1]:.2f}  ({denied}; out of fold it is right about {right:.0%} of the true labels)", flush=True)
    for judge, shares in found.items():
        error = np.std(shares, ddof=1) / np.sqrt(seeds) if seeds > 1 else float("nan")
        print(f"mean    {judge:10}  {np.mean(shares):.2f} ± {error:.2f} (standard error over {seeds} seeds)")


def flip(clean, share, seed):
    """Returns the examples with `share` of the labels changed to another one, each with the same chance."""
    draw = np.random.default_rng(seed)
    gold = clean.gold.copy()
    for row in draw.choice(len(gold), round(share * len(gold)), replace=False):
        gold[row] = np.roll(gold[row], draw.integers(1, gold.shape[1]))
    return examples.Examples(clean.ids, clean.texts, gold)


def from_ratings(count, settings, task):
    """Returns `count` random texts of the demo's pool that are not held out, with the label of their mean rating."""
    heldout = set((paths.SPLIT / "heldout.txt").read_text(encoding="utf-8").split())
    label = {row.cells["id"]: demo.label_of(float(row.cells["mean"]), 0.5) for row in tables.rows(demo.RATINGS)}
    texts = {row.id: row.text for row in reader.stream(settings.data.pool, settings.data.text_column) if row.id not in heldout}
    chosen = sorted(np.random.default_rng(settings.seed).choice(sorted(texts), count, replace=False).tolist())
    return examples.Examples(chosen, [texts[identity] for identity in chosen], indicator([(label[identity],) for identity in chosen], task))


if __name__ == "__main__":
    main()
