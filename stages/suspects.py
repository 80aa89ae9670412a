"""Find training labels that look wrong, and those on which rounds or people contradict each other.

    data/split/{train,valid}.csv, data/rounds, models/encoder/… ──► data/queue/suspects.csv, metrics/suspects.json

A model learns from all folds of the training texts but one, and judges the labels of that one, which it has not seen:
a probe on the encoder's vectors, which takes seconds, or the encoder itself, fine-tuned for every fold. Test texts are left
alone: correcting those that the model denies would flatter the model.
"""

from collections.abc import Container

import click

from labelrounds.core import examples, files, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.examples import Examples
from labelrounds.core.scratch import scratch
from labelrounds.core.task import Task, labels_of
from labelrounds.measures import label_errors
from labelrounds.methods import judging
from labelrounds.rounds import contradictions, record, vote
from labelrounds.rounds.contradictions import DIVIDED, RELABELLED, TIE, Suspect

DENIED, DOUBTED = "denied", "doubted"


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    task, judge, rule = settings.labelled_task(), settings.suspects.judge, settings.split.consensus
    encoder = paths.BASE_MODELS / settings.suspects.encoder
    machine = (settings.runtime.threads, settings.runtime.precision, settings.runtime.reproducible)
    used = (settings.suspects, settings.finetune, task, settings.seed, *machine, settings.model.max_length)
    with scratch("suspects", [paths.TRAIN, paths.VALID, encoder], used, paths.ROUNDS, paths.SCHEMA) as folder:
        train, valid = examples.read(paths.TRAIN, task), examples.read(paths.VALID, task)
        annotations = vote.deciding(record.read_all(task))
        rows = contradictions.ties(annotations, task, rule)
        if judge != "none":
            probabilities = judging.out_of_fold(train, valid, encoder, settings, folder)
            asked_again = {a.id for a in annotations if a.source == record.CORRECTION}
            rows += doubted(train, label_errors.judge(train.gold, probabilities, task.multi_label), task, asked_again)
        rows += contradictions.relabelled(annotations, task, rule) + contradictions.divided(annotations, task, rule)
        files.write_csv(paths.SUSPECTS, list(Suspect._fields), rows)
        counts = {case: sum(row.case == case for row in rows) for case in (DENIED, DOUBTED, TIE, RELABELLED, DIVIDED)}
        files.write_json(paths.METRICS / "suspects.json", {"texts": len(train), **counts})
    said = f"{counts[DENIED]} of {len(train)} training labels are denied by a model that has not seen them"
    click.echo(
        f"suspects: {said if judge != 'none' else 'no model judges the labels (suspects.judge in params.yaml)'}; {counts[TIE]} ties, "
        f"{counts[RELABELLED]} relabelled, {counts[DIVIDED]} on which people are divided."
        + (" To label again: labelrounds next --suspects FILE.csv" if rows else "")
    )


def doubted(train: Examples, judged: label_errors.Judged, task: Task, answered: Container[str]) -> list[Suspect]:
    """Returns a row for every label that the model would not give, the most doubtful first, but those that people were asked again."""
    given, better = (list(map(task.spell, labels_of(matrix, task))) for matrix in (train.gold, judged.better))
    return [
        Suspect(train.ids[row], DENIED if judged.denied[row] else DOUBTED, given[row], better[row], f"{judged.quality[row]:.6f}")
        for row in judged.order
        if given[row] != better[row] and train.ids[row] not in answered
    ]


if __name__ == "__main__":
    main()
