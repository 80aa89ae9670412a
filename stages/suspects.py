"""Find training labels that look wrong, and those on which rounds or people contradict each other.

    data/split/{train,valid}.csv, data/rounds, models/encoder/… ──► data/queue/suspects.csv, metrics/suspects.json

A model learns from all folds of the training texts but one, and judges the labels of that one, which it has not seen:
a probe on the encoder's vectors, which takes seconds, or the encoder itself, fine-tuned for every fold. Test texts are left
alone: correcting those that the model denies would flatter the model.
"""

import shutil
from collections import defaultdict
from pathlib import Path

import click
import numpy as np

from labelrounds.core import examples, files, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import scratch
from labelrounds.core.task import labels_of
from labelrounds.labelers import contract, transformer
from labelrounds.measures import label_errors
from labelrounds.methods import classifier
from labelrounds.models import base_models, runtime
from labelrounds.pool.identity import near_duplicate_key
from labelrounds.rounds import record, vote

COLUMNS = ["id", "case", "label", "better", "quality", "detail"]


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    task = settings.labelled_task()
    encoder = Path("models/encoder") / settings.suspects.encoder
    used = (
        settings.suspects,
        settings.finetune,
        settings.task,
        settings.seed,
        settings.runtime.threads,
        settings.runtime.precision,
        settings.model.max_length,
    )
    with files.unchanged(paths.ROUNDS), scratch("suspects", [paths.TRAIN, paths.VALID, encoder], used) as folder:
        train, valid = examples.read(paths.TRAIN, task), examples.read(paths.VALID, task)
        annotations = vote.deciding(record.read_all(task))
        rows = ties(annotations, task)
        if settings.suspects.judge != "none":
            judged = label_errors.judge(train.gold, out_of_fold(train, valid, encoder, settings, task, folder), task.multi_label)
            rows += doubted(train, judged, task, {a.id for a in annotations if a.source == record.CORRECTION})
        rows += contradictions(annotations, task)
        files.write_csv(paths.SUSPECTS, COLUMNS, rows)
    counts = {case: sum(row[1] == case for row in rows) for case in ("denied", "doubted", "tie", "relabelled", "divided")}
    files.write_json(paths.METRICS / "suspects.json", {"texts": len(train), **counts})
    judged = f"{counts['denied']} of {len(train)} training labels are denied by a model that has not seen them"
    click.echo(
        f"suspects: {judged if settings.suspects.judge != 'none' else 'no model judges the labels (suspects.judge in params.yaml)'}; {counts['tie']} ties, "
        f"{counts['relabelled']} relabelled, {counts['divided']} on which people are divided."
        + (" To label again: labelrounds next --suspects FILE.csv" if rows else "")
    )


def out_of_fold(train, valid, base, settings, task, folder):
    """Returns float32 probabilities of shape (n, n_labels) for the training texts, each by a model that has not seen it."""
    groups = [near_duplicate_key(text) for text in train.texts]
    number = label_errors.folds(train.gold, groups, settings.suspects.folds, settings.seed, task.multi_label)
    if settings.suspects.judge == "probe":
        return label_errors.probe(vectors(train, base, settings, task), train.gold, number, task.multi_label, settings.seed)
    probabilities = np.zeros(train.gold.shape, dtype=np.float32)
    for fold in sorted(set(number.tolist())):
        done = folder / f"fold-{fold}.npy"
        if not done.is_file():
            judge_fold(done, fold, number, train, valid, base, settings, task)
        probabilities[number == fold] = np.load(done)
    return probabilities


def vectors(train, base, settings, task):
    """Returns the encoder's mean last hidden state of every training text, float32 of shape (n, d)."""
    machine = runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision, settings.model.max_length)
    encoder = base_models.open_encoder(base)
    card = contract.new_card("transformer", task, paths.TRAIN, len(train), settings.model.max_length, None)
    model = base_models.load_classifier(encoder, task, machine).eval().to(machine.device)  # its new head is not asked
    base_models.check_length(model, settings.model.max_length)
    return transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine).embed(train.texts, settings.finetune.batch_size)


def judge_fold(done, fold, number, train, valid, base, settings, task):
    """Fine-tunes the encoder on all folds but one, and writes what it says of that one to the file `done`."""
    # Every fold begins with the same seeds, so that one after a kill is as it would have been.
    machine = runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision, settings.model.max_length)
    encoder = base_models.open_encoder(base)
    seen = part(train, number != fold)
    card = contract.new_card("transformer", task, paths.TRAIN, len(seen), settings.model.max_length, None)
    title = f"suspects, fold {fold + 1} of {settings.suspects.folds}"
    checkpoints = done.with_suffix("")
    model, _ = classifier.train(encoder, card, seen, valid, settings.finetune, checkpoints, machine, settings.runtime.checkpoint_seconds, title)
    labeler = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine)
    found = labeler.scores(part(train, number == fold).texts, settings.finetune.batch_size)
    with files.atomic(done, "wb") as file:
        np.save(file, found)
    shutil.rmtree(checkpoints, ignore_errors=True)


def part(some, chosen):
    """Returns the examples of the rows that are True in `chosen`."""
    rows = np.flatnonzero(chosen)
    return examples.Examples([some.ids[row] for row in rows], [some.texts[row] for row in rows], some.gold[rows])


def doubted(train, judged, task, answered):
    """Returns a row for every label that the model would not give, the most doubtful first, but those that people were asked again."""
    given, better = (list(map(task.spell, labels_of(matrix, task))) for matrix in (train.gold, judged.better))
    wanted = [row for row in judged.order if given[row] != better[row] and train.ids[row] not in answered]
    cases = ["denied" if judged.denied[row] else "doubted" for row in wanted]
    return [[train.ids[row], case, given[row], better[row], f"{judged.quality[row]:.6f}", ""] for row, case in zip(wanted, cases, strict=True)]


def ties(annotations, task):
    """Returns a row for every text that is without a label because people are split evenly."""
    tied = sorted(vote.settle(annotations, task).tied.items())
    return [[identity, "tie", "", "", "", f"round {name}: {' | '.join(map(task.spell, votes))}"] for identity, (name, votes) in tied]


def contradictions(annotations, task):
    """Returns a row for every label that a later round changed, and for every one that a mere majority of people gave."""
    verdict = vote.settle(annotations, task)
    votes = defaultdict(list)
    for one in annotations:
        if one.id in verdict.labels and verdict.labels[one.id].round == one.round:
            votes[one.id].append(task.spell(one.labels))
    changed = [
        [
            identity,
            "relabelled",
            task.spell(new.labels),
            "",
            "",
            f"round {old.round}: {task.spell(old.labels)} | round {new.round}: {task.spell(new.labels)}",
        ]
        for identity, (old, new) in sorted(verdict.relabelled.items())
    ]
    divided = [
        [identity, "divided", task.spell(verdict.labels[identity].labels), "", "", " | ".join(said)]
        for identity, said in sorted(votes.items())
        if len(set(said)) > 1
    ]
    return changed + divided


if __name__ == "__main__":
    main()
