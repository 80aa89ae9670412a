"""Where the labels stand: per round, per label and per person, and what comes next."""

from typing import Any

import click

from labelrounds.core import params, paths, screen
from labelrounds.people import forecast, freshness, workload
from labelrounds.pool import reader
from labelrounds.rounds import queue, record, schema, vote


def show(settings: params.Params, target: float | None = None) -> None:
    """Prints the labels per round, per label and per person, what they brought, and what comes next. target : of macro-F1"""
    import pandas

    size = reader.size(settings.data.pool, settings.data.text_column)
    if not record.round_files():
        click.echo(f"{size} texts in the pool, no labels yet. Next: labelrounds draw 200 round-01.csv")
        return
    task = settings.labelled_task()
    annotations = record.read_all(task)
    verdict = vote.settle(annotations, task, settings.split.consensus)
    labels = pandas.DataFrame([(a.round, a.id, a.annotator, a.labels) for a in annotations], columns=["round", "id", "person", "label"])
    click.echo(f"{len(labels)} labels of {labels['id'].nunique()} texts; {size} texts in the pool.\n")

    per_round = labels.groupby("round", sort=False).agg(labels=("id", "size"), texts=("id", "nunique"), people=("person", "nunique"))
    click.echo(screen.frame(per_round.reset_index()) + "\n")

    def counted(found: Any) -> Any:  # of pandas.Series
        return found.explode().value_counts().reindex(task.labels, fill_value=0)

    settled = pandas.Series([found.labels for found in verdict.labels.values()], dtype=object)
    per_label = pandas.DataFrame({"label": task.labels, "given": counted(labels["label"]).values, "texts now": counted(settled).values})
    click.echo(screen.frame(per_label) + "\n")

    per_person = workload.people(annotations, task, settings.agreement.leave_out)
    click.echo(screen.table(workload.HEAD, [person.cells() for person in per_person]) + "\n")
    if verdict.tied:
        click.echo(f"{len(verdict.tied)} texts are tied and train nothing until a later round settles them (metrics/split.csv lists them).")
    if verdict.outdated:
        click.echo(
            f"{len(verdict.outdated)} texts wait to be labelled again, since their label was split or retired: labelrounds schema relabel FILE.csv"
        )
    for one in schema.read():
        click.echo(f"Labels changed on {one.date}: {one.change} {one} (labelrounds schema).")
    show_skips()
    for line in (*forecast.lines(annotations, settings, target), *freshness.adaptation(size, settings), *freshness.warning(settings)):
        click.echo(line)
    known = set(labels["id"])
    waiting = [entry for entry in queue.read() if entry.id not in known] if paths.QUEUE.is_file() else []
    click.echo(f"Next: {f'labelrounds next FILE.csv ({len(waiting)} texts wait in the queue)' if waiting else 'dvc repro'}")


def show_skips() -> None:
    """Prints how many texts people skipped on the page, by reason, and what they labelled there that is in no round yet."""
    from collections import Counter

    from labelrounds.people.serve import finish

    reasons = Counter(finish.skip_reasons())
    if reasons:
        click.echo(f"{sum(reasons.values())} texts were skipped: {', '.join(f'{count} {reason}' for reason, count in reasons.most_common())}.")
    if journals := finish.waiting():
        click.echo(f"Labels of the page wait in {', '.join(str(path) for path in journals)}. Bring them in: labelrounds import")
