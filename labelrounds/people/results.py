"""What the models make of the labels: results and the learning curve, as tables on the screen."""

from typing import Any

import click

from labelrounds.core import files, params, paths, screen, tables
from labelrounds.measures import curve
from labelrounds.rounds import queue

COLUMNS = 20  # labels with a column of their own; of more, no terminal shows a table


def show_results(settings: params.Params) -> None:
    """Prints each labeler's F1 on the test set, the share of the pool labelled `auto`, and where the queue lies."""
    measured = {name: files.read_json(path) for name in settings.labelers if (path := paths.METRICS / f"{name}.json").is_file()}
    if not measured:
        click.echo("There are no results yet. Run `dvc repro`.")
        return
    # A study's labelers keep the metrics of its last run, which may have been on other texts than those of the loop.
    tested = measured.get(settings.deploy, next(reversed(measured.values())))["test"]
    other = [name for name, found in measured.items() if found["test"].get("fingerprint") != tested.get("fingerprint")]
    labels = settings.task.labels if len(settings.task.labels) <= COLUMNS else ()
    rows = [result_row(name + (" *" if name == settings.deploy else ""), found, labels) for name, found in measured.items() if name not in other]
    click.echo(screen.table(["labeler", "labels", "macro-F1", "95 % interval", "micro-F1", "accuracy", *labels], rows))
    click.echo(
        f"\nF1 on {tested['n']} test texts; labels: how many texts it learnt from; * is deployed. Is one better than another? labelrounds compare --against NAME"
    )
    if not labels:
        click.echo(f"The F1 of each of the {len(settings.task.labels)} labels: metrics/{settings.deploy}/labels.csv")
    if lacking := tested.get("without_texts"):
        click.echo(f"Macro-F1 is over {len(tested['f1']) - len(lacking)} labels. No test text has the label {screen.few(lacking)}.")
    if other:
        click.echo(f"Measured on other test texts, so not shown: {', '.join(other)}. Run its `dvc.yaml` again (studies/).")
    predicted = paths.METRICS / "predict.json"
    if predicted.is_file():
        counts = files.read_json(predicted)
        click.echo(
            f"Of {counts['n']} pool texts {counts['human']} are labelled by people, {counts['auto']} ({counts['auto'] / counts['n']:.0%}) are auto "
            f"({settings.predict.precision:.0%} of them are right, but for a risk of {settings.predict.risk:.0%}), {counts['review']} need review."
        )
        click.echo("All labels: data/predictions/labelled.csv")
    stop = paths.METRICS / "stop.json"
    if stop.is_file():
        says = files.read_json(stop)["says"]
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
    import pandas

    path = paths.METRICS / "curve_summary.csv"
    if not path.is_file():
        click.echo("There is no learning curve yet. Run `dvc repro studies/learning_curve/dvc.yaml`.")
        return
    rows = [row.cells for row in tables.rows(path)]
    points = pandas.DataFrame({"labels": int(row["labels"]), "recipe": row["recipe"], "f1": percent(row)} for row in rows)
    by_size = points.pivot(index="labels", columns="recipe", values="f1")[points["recipe"].unique()].fillna("")
    click.echo(screen.frame(by_size.reset_index()))
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
