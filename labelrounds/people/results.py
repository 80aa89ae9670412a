"""Where the project stands, as tables on the screen: labels so far, and what the models make of them."""

import json
from collections import Counter
from typing import Any

import click

from labelrounds.core import params, paths, tables
from labelrounds.measures import curve
from labelrounds.pool import reader
from labelrounds.rounds import queue, record


def table(columns: list[str], rows: list[list[Any]]) -> str:
    """Returns an aligned table: text to the left, numbers to the right."""
    shown = [[f"{cell:.3f}" if isinstance(cell, float) else "-" if cell is None else str(cell) for cell in row] for row in rows]
    right = [bool(rows) and all(cell is None or isinstance(cell, (int, float)) for cell in column) for column in zip(*rows, strict=True)] or [
        False
    ] * len(columns)
    widths = [max(map(len, column)) for column in zip(columns, *shown, strict=True)]
    lines = [
        [cell.rjust(width) if side else cell.ljust(width) for cell, width, side in zip(row, widths, right, strict=True)] for row in [columns, *shown]
    ]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def show_labels(settings: params.Params) -> None:
    """Prints the labels per round, per label and per person, and what comes next."""
    size = sum(1 for _ in reader.stream(settings.data.pool, settings.data.text_column))
    if not record.round_files():
        click.echo(f"{size} texts in the pool, no labels yet. Next: labelrounds draw 200 round-01.csv")
        return
    task = settings.labelled_task()
    annotations = record.read_all(task)
    verdict = record.settle(annotations, task)
    click.echo(f"{len(annotations)} labels of {len({a.id for a in annotations})} texts; {size} texts in the pool.\n")
    per_round = [
        [name, len(part), len({a.id for a in part}), len({a.annotator for a in part})]
        for name in dict.fromkeys(a.round for a in annotations)
        if (part := [a for a in annotations if a.round == name])
    ]
    click.echo(table(["round", "labels", "texts", "people"], per_round) + "\n")
    given = Counter(label for a in annotations for label in a.labels)
    settled = Counter(label for s in verdict.labels.values() for label in s.labels)
    click.echo(table(["label", "given", "texts now"], [[label, given[label], settled[label]] for label in task.labels]) + "\n")
    people = Counter(a.annotator or "(not named)" for a in annotations)
    click.echo(table(["person", "labels"], [[name, count] for name, count in people.most_common()]) + "\n")
    if verdict.tied:
        click.echo(f"{len(verdict.tied)} texts are tied and train nothing until a later round settles them (metrics/split.csv lists them).")
    waiting = [entry for entry in queue.read() if entry.id not in {a.id for a in annotations}] if paths.QUEUE.is_file() else []
    click.echo(f"Next: {f'labelrounds next FILE.csv ({len(waiting)} texts wait in the queue)' if waiting else 'dvc repro'}")


def show_results(settings: params.Params) -> None:
    """Prints each labeler's F1 on the test set, the share of the pool labelled `auto`, and where the queue lies."""
    measured = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in [*settings.all_recipes, *settings.prompts, "baseline"]
        if (path := paths.METRICS / f"{name}.json").is_file()
    }
    if not measured:
        click.echo("There are no results yet. Run `dvc repro`.")
        return
    # A study's labelers keep the metrics of its last run, which may have been on other texts than those of the loop.
    tested = measured.get(settings.deploy, next(reversed(measured.values())))["test"]
    other = [name for name, found in measured.items() if found["test"].get("fingerprint") != tested.get("fingerprint")]
    rows = [
        result_row(name + (" *" if name == settings.deploy else ""), found, settings.task.labels)
        for name, found in measured.items()
        if name not in other
    ]
    click.echo(table(["labeler", "labels", "macro-F1", "95 % interval", "micro-F1", "accuracy", *settings.task.labels], rows))
    click.echo(
        f"\nF1 on {tested['n']} test texts; labels: how many texts it learnt from; * is deployed. Is one better than another? labelrounds compare --against NAME"
    )
    if other:
        click.echo(f"Measured on other test texts, so not shown: {', '.join(other)}. Run its `dvc.yaml` again (studies/).")
    predicted = paths.METRICS / "predict.json"
    if predicted.is_file():
        counts = json.loads(predicted.read_text(encoding="utf-8"))
        click.echo(
            f"Of {counts['n']} pool texts {counts['human']} are labelled by people, {counts['auto']} ({counts['auto'] / counts['n']:.0%}) are auto "
            f"({settings.predict.precision:.0%} of them are right, but for a risk of {settings.predict.risk:.0%}), {counts['review']} need review."
        )
        click.echo("All labels: data/predictions/labelled.csv")
    stop = paths.METRICS / "stop.json"
    if stop.is_file():
        says = json.loads(stop.read_text(encoding="utf-8"))["says"]
        click.echo(f"Of the labels: {says}")
    if paths.QUEUE.is_file():
        click.echo(f"The next {len(queue.read())} texts to label: {paths.QUEUE}  (labelrounds next FILE.csv)")
    if paths.REPORT.is_file():
        click.echo(f"All of this and more, on a page for the browser: {paths.REPORT}")


def result_row(name: str, found: dict[str, Any], labels: tuple[str, ...]) -> list[Any]:
    """Returns the cells of one labeler's metrics; those of an older version lack some."""
    test = found["test"]
    low, high = test.get("ci95", {}).get("f1_macro", (None, None))
    interval = None if low is None else f"{low:.3f} to {high:.3f}"
    return [
        name,
        found.get("trained_on"),
        test["f1_macro"],
        interval,
        test["f1_micro"],
        test["accuracy"],
        *(test["f1"].get(label) for label in labels),
    ]


def show_curve(settings: params.Params) -> None:
    """Prints macro-F1 by number of labels and recipe, and each recipe's difference to the one it is compared with."""
    path = paths.METRICS / "curve_summary.csv"
    if not path.is_file():
        click.echo("There is no learning curve yet. Run `dvc repro studies/learning_curve/dvc.yaml`.")
        return
    rows = [row.cells for row in tables.rows(path)]
    names = list(dict.fromkeys(row["recipe"] for row in rows))
    cells = {(row["labels"], row["recipe"]): percent(row) for row in rows}
    sizes = sorted({row["labels"] for row in rows}, key=int)
    click.echo(table(["labels", *names], [[int(size), *(cells.get((size, name), "") for name in names)] for size in sizes]))
    click.echo("\nMacro-F1 in % on the test texts: mean ± deviation over the seeds. Validation labels come on top.\n")
    against = settings.learning_curve.against
    for row in rows:
        if row["difference"]:
            click.echo(curve.in_words(row, against))
    click.echo("\n95 % intervals, paired over seeds and test texts; one that holds 0 shows no difference.")


def percent(row: dict[str, str]) -> str:
    """Returns the mean macro-F1 of a row of the curve's summary, with its deviation where there is one."""
    deviation = f" ± {100 * float(row['f1_macro_deviation']):.1f}" if row["f1_macro_deviation"] else ""
    return f"{100 * float(row['f1_macro']):.1f}{deviation}"
