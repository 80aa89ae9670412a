"""Measure UST and UDA against supervised fine-tuning with few labels: the same labels, encoder and seed for all three.

    python -m studies.semi_supervised.compare demo
    python -m studies.semi_supervised.compare NAME --train FILE --test FILE --encoder models/encoder/vanilla

Each seed draws its own labels per class for training and for validation, and its own initial heads, batches and dropout.
The test texts are scored once per model. Every result is a file under studies/semi_supervised/results/NAME/ with the settings that it
came from, so a run that was ended goes on where it was; at the end the table is printed from these files.
"""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from labelrounds.core import files, params, paths, screen, tables
from labelrounds.core.errors import Command
from labelrounds.core.examples import Examples
from labelrounds.core.scratch import fingerprint_of
from labelrounds.core.task import indicator
from labelrounds.labelers import contract, transformer
from labelrounds.measures import scores
from labelrounds.methods import classifier, jobs, uda, ust
from labelrounds.models import augmentation, base_models, runtime
from labelrounds.pool import unlabelled
from labelrounds.pool.identity import near_duplicate_key, text_id
from labelrounds.pool.unlabelled import Unlabelled

RESULTS = Path(__file__).parent / "results"
METHODS = ("supervised", "ust", "uda")


@click.command(cls=Command)
@click.argument("name")
@click.option("--train", type=Path, default=paths.TRAIN, show_default=True, help="Labelled texts to draw from.")
@click.option("--test", type=Path, default=paths.TEST, show_default=True, help="Labelled texts to measure on.")
@click.option("--valid", type=Path, help="Labelled texts to choose the model by; with --train of its own, drawn from there.")
@click.option("--texts", type=Path, help="Texts without labels; with --train of its own, what is left there.")
@click.option("--encoder", type=Path, default=Path("models/encoder/adapted"), show_default=True)
@click.option("--per-label", default=30, show_default=True, help="Labels per class for training, and as many for validation.")
@click.option("--seeds", default=5, show_default=True)
@click.option("--methods", default=",".join(METHODS), show_default=True)
def main(name, train, test, valid, texts, encoder, per_label, seeds, methods):
    settings = params.load()
    own = train == paths.TRAIN
    valid, texts = valid or (paths.VALID if own else None), texts or (paths.UNLABELLED if own else None)
    labels = settings.task.labels if own else sorted({row.cells["label"] for row in tables.rows(train)})
    task = replace(settings.labelled_task(), type="multi-class", labels=tuple(labels))
    used = {
        "per_label": per_label,
        "finetune": settings.finetune.model_dump(),
        **{name: settings.section(name, method.Settings).model_dump() for name, method in (("ust", ust), ("uda", uda))},
    }
    opened = base_models.open_base(encoder)
    measured = read(test, task)
    held = {near_duplicate_key(text) for text in measured.texts}
    known = without(read(train, task), held)
    for seed in range(1, seeds + 1):
        machine = runtime.of(settings.model_copy(update={"seed": seed}), settings.model.max_length)
        randomness = np.random.default_rng([seed, per_label])
        drawn, rest = per_class(known, per_label, randomness)
        chooses, rest = per_class(read(valid, task) if valid else rest, per_label, randomness)
        pool = sample(texts, rest, chooses, settings, seed)
        pool = keep(pool, {near_duplicate_key(text) for text in (*drawn.texts, *chooses.texts)} | held)
        card = contract.new_card("transformer", task, train, len(drawn), settings.model.max_length)
        place = Path("scratch/semi_supervised") / name / fingerprint_of([train, test, encoder], used) / str(seed)
        begun = place / "supervised"  # one training of the supervised model serves all three
        for method in methods.split(","):
            out = RESULTS / name / f"{seed}-{method}.json"
            if out.is_file() and json.loads(out.read_text())["settings"] == used:
                continue
            start = time.monotonic()
            title = f"{name} seed {seed} {method}"
            folder = place / method
            if method == "supervised":
                seconds = settings.runtime.checkpoint_seconds
                model, epochs_run = classifier.train(opened, card, drawn, chooses, settings.finetune, folder, machine, seconds, title)
                told = {"valid": ust.best_score(epochs_run), "epochs": len(epochs_run)}
            else:
                recipe = params.Recipe(encoder="", method=method)
                job = jobs.Job(title, recipe, settings.model_copy(update={"seed": seed}), train, valid or train, folder, folder / "made")
                share(begun, folder / ("teacher" if method == "ust" else "supervised"))
                learner = ust if method == "ust" else uda
                model, found = learner.learn(job, opened, card, drawn, chooses, pool)
                told = ust.report(found) if method == "ust" else uda.report(found, task)
            model.eval()
            labeler = transformer.TransformerLabeler(card, "", model, opened.tokenizer, machine)
            found = labeler.scores(measured.texts, settings.predict.batch_size)
            result = scores.summary(measured.gold, indicator(contract.decide(found, card), task), found, task)
            files.write_json(
                out,
                {
                    "method": method,
                    "seed": seed,
                    "labels": len(drawn),
                    "validation": len(chooses),
                    "unlabelled": len(pool),
                    "test": result,
                    "told": told,
                },
            )
            click.echo(f"{title}: macro-F1 {result['f1_macro']:.3f} in {time.monotonic() - start:.0f} s")
        if all((RESULTS / name / f"{seed}-{method}.json").is_file() for method in METHODS):
            shutil.rmtree(place, ignore_errors=True)
    click.echo(report(name))


def share(begun, folder):
    """Gives a method the supervised model that is trained already; where there is none it trains the same one itself."""
    if begun.is_dir() and not folder.exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.copytree(begun, part, dirs_exist_ok=True)
        part.rename(folder)


def read(path, task):
    """Returns the labelled texts of a CSV with the columns text and label (and id, where there is one)."""
    rows = [row for row in tables.rows(path)]
    gold = indicator([task.parse(row.cells[task.column], row.where) for row in rows], task)
    return Examples([text_id(row.cells["text"]) for row in rows], [row.cells["text"] for row in rows], gold)


def part(found, numbers):
    """Returns the examples with these numbers."""
    return Examples([found.ids[i] for i in numbers], [found.texts[i] for i in numbers], found.gold[numbers])


def without(found, keys):
    """Returns the examples that are no near-duplicates of `keys`, nor of each other."""
    seen, kept = set(keys), []
    for number, text in enumerate(found.texts):
        key = near_duplicate_key(text)
        if key not in seen:
            seen.add(key)
            kept.append(number)
    return part(found, np.asarray(kept))


def per_class(found, n, randomness):
    """Returns (up to `n` examples per class, the others)."""
    order = randomness.permutation(len(found))
    chosen = np.concatenate([[i for i in order if found.gold[i, label]][:n] for label in range(found.gold.shape[1])]).astype(int)
    return part(found, np.sort(chosen)), part(found, np.setdiff1d(np.arange(len(found)), chosen))


def sample(path, rest, chooses, settings, seed):
    """Returns the texts without labels: of the file, or of what is left, reworded by TF-IDF."""
    if path:
        return Unlabelled(*([row.cells[column] for row in tables.rows(path)] for column in unlabelled.COLUMNS))
    numbers = np.sort(np.random.default_rng([seed, 1]).permutation(len(rest))[: settings.unlabelled.size])
    texts = [rest.texts[i] for i in numbers]
    return Unlabelled([rest.ids[i] for i in numbers], texts, augmentation.by_tfidf(texts, settings.unlabelled.share, seed)(texts))


def keep(pool, keys):
    """Returns the texts that are no near-duplicates of `keys`."""
    return pool.part([number for number, text in enumerate(pool.texts) if near_duplicate_key(text) not in keys])


def report(name):
    """Returns the table: macro-F1 per method with its mean, its deviation and the paired difference to supervised."""
    from scipy import stats

    found = {}
    for path in sorted((RESULTS / name).glob("*.json")):
        one = json.loads(path.read_text())
        found[one["method"], one["seed"]] = one["test"]["f1_macro"]
    rows = []
    for method in METHODS:
        seeds = sorted(seed for known, seed in found if known == method and ("supervised", seed) in found)
        if not seeds:
            continue
        values = np.asarray([found[method, seed] for seed in seeds]) * 100
        differences = values - np.asarray([found["supervised", seed] for seed in seeds]) * 100
        margin = stats.t.ppf(0.975, len(seeds) - 1) * differences.std(ddof=1) / np.sqrt(len(seeds)) if len(seeds) > 1 else np.nan
        paired = (
            "" if method == "supervised" else f"{differences.mean():+.1f} [{differences.mean() - margin:+.1f}, {differences.mean() + margin:+.1f}]"
        )
        deviation = f"{values.std(ddof=1):.1f}" if len(seeds) > 1 else "-"
        rows.append([method, f"{values.mean():.1f}", deviation, paired, *(f"{value:.1f}" for value in values)])
    width = max((len(row) for row in rows), default=4)
    columns = ["method", "macro-F1", "deviation", "minus supervised [95 %]", *(f"seed {number}" for number in range(1, width - 3))]
    return screen.table(columns, [[*row, *[""] * (width - len(row))] for row in rows])


if __name__ == "__main__":
    main()
