"""Measure one labeler on the validation and test texts.

models/labeler/NAME, data/split/{valid,test}.csv ──► metrics/NAME.json, metrics/NAME/{test,labels,reliability}.csv; their digests in data/evaluated/NAME.json
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from labelrounds.core import examples, files, params, paths, screen, tables
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.core.task import indicator, labels_of
from labelrounds.labelers import contract
from labelrounds.measures import bootstrap, calibration, scores

RELIABILITY = ["scores", "bin", "n", "confidence", "right"]


@click.command(cls=Command)
@click.argument("name")
@click.option("--study", is_flag=True, help="Leave no digests for the report, which shows what every round trains.")
def main(name: str, study: bool) -> None:
    settings = params.load()
    examples.check_any(paths.TEST)
    with reading(f"evaluate/{name}", paths.LABELERS / name, paths.VALID, paths.TEST):
        labeler = contract.load_named(name, settings)
        sides = {"test": paths.TEST, "valid": paths.VALID}
        results = {
            side: measure(labeler, path, settings.predict.batch_size, settings.seed)
            for side, path in sides.items()
            if side == "test" or has_texts(path)
        }
        summary = {"trained_on": labeler.card.training["n"], **{side: result["summary"] for side, result in results.items()}}
        told = {name: found for name, found in labeler.card.training.items() if name not in ("n", "fingerprint")}
        if told:  # what a method says of itself: which model validation chose, and whether it fell back
            summary["training"] = told
        test = results["test"]
        folder = paths.METRICS / name
        files.write_csv(folder / "test.csv", ["id", "gold", "predicted", *(f"score_{label}" for label in labeler.card.labels)], test["rows"])
        files.write_csv(folder / "labels.csv", list(test["labels"][0]), (row.values() for row in test["labels"]))
        files.write_csv(folder / "reliability.csv", RELIABILITY, test["reliability"])
        files.write_json(paths.METRICS / f"{name}.json", summary)
        if not study:  # what `report` depends on: DVC can name a folder, but not the metrics of every recipe that there may be
            files.write_json(
                paths.EVALUATED / f"{name}.json", {f"{name}.json": files.sha256(paths.METRICS / f"{name}.json"), **files.folder_digests(folder)}
            )
    shown = summary["test"]
    low, high = shown["ci95"]["f1_macro"]
    click.echo(
        f"evaluate {name}: test macro-F1 {shown['f1_macro']:.3f} (95 % interval {low:.3f} to {high:.3f}), "
        f"micro-F1 {shown['f1_micro']:.3f} on {shown['n']} texts."
    )
    if lacking := shown.get("without_texts"):
        click.echo(f"Macro-F1 is over {len(shown['f1']) - len(lacking)} labels. No test text has the label {screen.few(lacking)}.")


def has_texts(path: Path) -> bool:
    """Says whether a file of the split holds a text: with `split.valid: 0` validation is empty."""
    return next(tables.rows(path), None) is not None


def measure(labeler: contract.Labeler, path: Path, batch_size: int, seed: int) -> dict[str, Any]:
    """Returns the metrics of `labeler` on a file of the split, with their intervals and its per-text predictions."""
    task = labeler.card.schema
    found = examples.read(path, task)
    gold = found.gold
    logits = labeler.logits(found.texts, batch_size)
    probabilities = contract.probabilities(logits, labeler.card)
    decided = contract.decide(probabilities, labeler.card)
    predicted = indicator(decided, task)
    summary = scores.summary(gold, predicted, probabilities, task)
    raw = contract.probabilities(logits, replace(labeler.card, temperature=1.0, platt=None))
    bins = {
        name: calibration.reliability(*calibration.claims(some, gold, task.multi_label))
        for name, some in (("raw", raw), ("calibrated", probabilities))
    }
    lacking = scores.untested(gold, task)
    errors = scores.rounded({"ece": calibration.error(bins["calibrated"]), "ece_raw": calibration.error(bins["raw"])})
    return {
        "summary": {
            "n": len(found),
            "fingerprint": files.sha256(path)[:16],
            **summary,
            **({"without_texts": lacking} if lacking else {}),
            **errors,
            "ci95": bootstrap.intervals(gold, predicted, probabilities, task, seed),
        },
        "labels": scores.per_label(gold, predicted, probabilities, task),
        "reliability": [
            (name, number, row["n"], f"{row['confidence']:.6f}", f"{row['right']:.6f}")
            for name, rows in bins.items()
            for number, row in enumerate(rows, 1)
        ],
        "rows": [
            (identity, task.spell(true), task.spell(said), *(f"{value:.6f}" for value in line))
            for identity, true, said, line in zip(found.ids, labels_of(gold, task), decided, probabilities, strict=True)
        ],
    }


if __name__ == "__main__":
    main()
