"""Label the whole pool with the deployed labeler, shard by shard, in constant memory.

    data/pool, models/labeler/DEPLOY, data/split/labels.csv ──► data/predictions/{shards/*.parquet,labelled.csv}; metrics/predict.json

A killed run goes on with the first shard that is not finished.
"""

import itertools
import shutil
from collections import Counter
from pathlib import Path

import click
from tqdm import tqdm

from labelrounds import files, labelers, params, pool, queue, runtime, tables
from labelrounds.errors import Command
from labelrounds.scratch import scratch

LABELS = Path("data/split/labels.csv")
OUT = Path("data/predictions")
METRICS = Path("metrics")


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    deployed = labelers.ROOT / settings.deploy
    source, column = settings.data.pool, settings.data.text_column
    used = (settings.predict, settings.seed, settings.runtime.threads, settings.runtime.precision, settings.data)
    with scratch("predict", [source, deployed, LABELS], used) as folder:
        labeler = labelers.load(deployed, lambda: runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision))
        shards = folder / "shards"
        shards.mkdir(exist_ok=True)
        with tqdm(desc=f"predict with {settings.deploy}", unit=" texts", unit_scale=True, mininterval=1.0) as bar:
            stream = pool.stream(source, column)
            for number in itertools.count():
                rows = list(itertools.islice(stream, settings.predict.shard_size))
                if not rows:
                    break
                shard = shards / f"part-{number:05d}.parquet"
                if shard.is_file():
                    bar.update(len(rows))
                    continue
                probabilities = labeler.scores([row.text for row in rows], settings.predict.batch_size, bar.update)
                write_shard(shard, rows, probabilities, labeler, settings.predict.min_confidence)
        counts = write_labelled(folder, shards, source, column, labeler)
        made = folder / "predictions"
        made.mkdir(exist_ok=True)
        shards.rename(made / "shards")
        (folder / "labelled.csv").rename(made / "labelled.csv")
        files.publish(made, OUT)
    write_metrics(counts, labeler)
    total = sum(counts["decision"].values())
    click.echo(
        f"predict: {total} texts with {settings.deploy}: {share(counts, 'auto')} auto, {share(counts, 'review')} review, {share(counts, 'human')} human."
    )


def write_shard(path, rows, probabilities, labeler, min_confidence):
    """Writes one shard: id, labels, confidence, a score per label, decision, fingerprint of the labeler."""
    import pyarrow
    import pyarrow.parquet

    card = labeler.card
    task = card.schema
    confidences = labelers.confidence(probabilities, card)
    columns = {
        "id": [row.id for row in rows],
        task.column: [task.spell(labels) for labels in labelers.decide(probabilities, card)],
        "confidence": confidences,
        **{f"score_{label}": probabilities[:, number] for number, label in enumerate(card.labels)},
        "decision": ["auto" if value >= min_confidence else "review" for value in confidences],
        "labeler": [labeler.fingerprint] * len(rows),
    }
    with files.atomic(path, "wb") as file:
        pyarrow.parquet.write_table(pyarrow.table(columns), file)


def write_labelled(folder, shards, source, column, labeler):
    """Writes labelled.csv, one row per pool text with people's labels where there are any; returns counts."""
    task = labeler.card.schema
    by_people = {row.cells["id"]: row.cells[task.column] for row in tables.rows(LABELS)}
    ours = ["id", "text", task.column, "confidence", "decision"]
    own = pool.own_columns(source, column, ours)
    counts = {"decision": Counter(), "label": Counter()}

    def labelled():
        predictions = tables.rows(shards)
        for text, row in zip(pool.stream(source, column), predictions, strict=True):
            if text.id in by_people:
                label, confidence, decision = by_people[text.id], "", "human"
            else:
                label, decision = row.cells[task.column], row.cells["decision"]
                confidence = f"{float(row.cells['confidence']):.4f}"
            counts["decision"][decision] += 1
            if decision != "review":
                counts["label"].update(task.parse(label, row.where))
            yield [
                text.id,
                queue.harmless(text.text),
                queue.harmless(label),
                confidence,
                decision,
                *(queue.harmless(text.own.get(name, "")) for name in own),
            ]

    shutil.rmtree(folder / "predictions", ignore_errors=True)
    files.write_csv(folder / "labelled.csv", [*ours, *own.values()], labelled(), bom=True)
    return counts


def share(counts, decision):
    """Returns `N (P %)` of the texts with a decision."""
    return f"{counts['decision'][decision]} ({counts['decision'][decision] / sum(counts['decision'].values()):.0%})"


def write_metrics(counts, labeler):
    """Writes metrics/predict.json: how much of the pool is labelled, by whom, and as what."""
    total = sum(counts["decision"].values())
    summary = {
        "n": total,
        "labeler": labeler.fingerprint,
        **{decision: counts["decision"][decision] for decision in ("auto", "review", "human")},
        "auto_share": round(counts["decision"]["auto"] / total, 6),
        "labelled": {label: counts["label"][label] for label in labeler.card.labels},
    }
    files.write_json(METRICS / "predict.json", summary)


if __name__ == "__main__":
    main()
