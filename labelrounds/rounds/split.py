"""Puts each labelled text into train, validation or test. Lists the special cases (ties, relabelled texts). Counts the texts.

The rule that sends a text to a side is in `holdout`, the label of each text in `vote`.
"""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from labelrounds.core import params, paths
from labelrounds.core.errors import UserError, at, first_of, no_labels
from labelrounds.core.screen import few
from labelrounds.core.task import Task
from labelrounds.pool import reader
from labelrounds.pool.identity import text_id
from labelrounds.rounds import holdout, names, record, vote

NEAR, TIED, NOT_IN_POOL, OUTDATED = "near a held-out text", "tied to a held-out text", "not in the pool", "its label is no more"
Case = tuple[str, str, str, str]  # a text's id, what had to be decided, the round, more about it


@dataclass(frozen=True)
class Split:
    """The labelled texts and their sides.

    verdict : what people say of each text; texts : {id: text}; sides : {id: its side}
    members : {side: [(id, what people say)]}, by id; near : ids near a held-out text, which nobody may train on
    moved : {id: the side that a holdout round's text was drawn to} of those that are tied to a text drawn to another side
    pool_size : texts of the pool; in_pool : ids of the labelled ones among them; heldout : ids of those that are held out
    """

    verdict: vote.Verdict
    texts: dict[str, str]
    sides: dict[str, str]
    members: dict[str, list[tuple[str, vote.Settled]]]
    near: list[str]
    moved: dict[str, str]
    pool_size: int
    in_pool: set[str]
    heldout: set[str]


def holdout_rounds(named: Sequence[str]) -> list[str]:
    """Returns the whole names of the holdout rounds; before the first round none is named.

    A UserError unless each is there, one at least, and each word names a single round: a number that two rounds have
    would let a merge change the test set.
    """
    known = [path.stem for path in record.round_files()]
    if not known and not named:
        return []  # a labeler that needs no labels begins: nothing is held out yet
    if not known:
        raise no_labels()
    where = at(params.PATH, params.line_of("split", "holdout_rounds"))
    meant = {word: names.matching(word, known) for word in named}
    lacking = [word for word, found in meant.items() if not found]
    if lacking or not named:
        found = f'names round "{lacking[0]}", which is not in {at(paths.ROUNDS)}' if lacking else "names no round"
        raise UserError(
            f"{where}: split.holdout_rounds {found}; without a holdout round "
            f'there is nothing to test on. Rounds there are: {", ".join(known)}. Name one that was drawn at random, such as ["{known[0]}"].'
        )
    for word, found in meant.items():
        if len(found) > 1:
            raise UserError(
                f'{where}: split.holdout_rounds names round "{word}", and {len(found)} rounds have that number: {", ".join(found)}. '
                f'Write the whole name of those that give the test set, such as ["{found[0]}"].'
            )
    return [found[0] for found in meant.values()]


def draw(annotations: Sequence[record.Annotation], task: Task, rule: params.Split, data: params.Data, held_out: Sequence[str]) -> Split:
    """Returns the split of the annotated texts; an id that neither the pool nor a round has a text for is a UserError.

    held_out : the whole names of the holdout rounds
    """
    # Membership of validation and test comes from the holdout rounds alone, in the labels of their time: neither a later round
    # nor a change of the labels moves a text. What a text is called may change.
    begin = [a for a in annotations if a.round in held_out]
    first = vote.settle(begin, task, rule.consensus)
    drawn = vote.settle((replace(a, labels=a.said or a.labels, gone="") for a in begin), task, rule.consensus).labels.keys()
    verdict = vote.settle(annotations, task, rule.consensus)
    texts, in_pool, pool_size, grouped = read_texts(annotations, data)
    held = holdout.draw(
        texts.values(),
        {identity: texts[identity] for identity in drawn},
        lambda: reader.stream(data.pool, data.text_column) if grouped else (),
        rule,
    )
    sides = {identity: held.side(text) for identity, text in texts.items()}
    tied = {identity: first.labels[identity] for identity in verdict.tied if identity in first.labels}
    members, near = assign(sides, drawn, verdict.labels, tied)
    heldout = read_heldout(data, held)
    moved = {identity: side for identity, side in held.alone.items() if side != sides[identity]}
    return Split(verdict, texts, sides, members, near, moved, pool_size, in_pool, heldout)


def read_texts(annotations: Sequence[record.Annotation], data: params.Data) -> tuple[dict[str, str], set[str], int, bool]:
    """Returns ({id: text} of all labelled texts, from the rounds and the pool; ids of those in the pool; the pool's size; whether it has groups)."""
    texts = {a.id: a.text for a in annotations if a.text is not None}
    wanted = {a.id for a in annotations}
    in_pool: set[str] = set()
    size, grouped = 0, False
    for some in reader.batches(data.pool, data.text_column):
        size += len(some)
        grouped = grouped or any(some.groups)
        if not wanted.isdisjoint(some.ids):
            texts |= {identity: text for identity, text in zip(some.ids, some.texts, strict=True) if identity in wanted}
            in_pool |= wanted.intersection(some.ids)
    unknown = [a for a in annotations if a.id not in texts]
    if unknown:
        raise first_of(
            [
                f"{a.where}: nobody knows the id {a.id}: it is not in the pool ({data.pool}), no round carries its text, and nothing that "
                "was made of an earlier pool is there. `dvc checkout data/predictions` may bring it back; or add a `text` column to the round, or "
                f"withdraw the label: labelrounds retire {a.id}"
                for a in unknown
            ],
            "row",
        )
    return texts, in_pool, size, grouped


def assign(
    sides: Mapping[str, str], drawn: Container[str], labels: Mapping[str, vote.Settled], tied: Mapping[str, vote.Settled]
) -> tuple[dict[str, list[tuple[str, vote.Settled]]], list[str]]:
    """Returns ({side: [(id, what people say)]}, ids near a held-out text, which nobody may train on).

    drawn : ids that the holdout rounds label; only they are ever in validation and test. labels : {id: what people say}
    tied : {id: what the holdout rounds say} of texts on which a later round is tied: they test, and train nothing
    """
    members: dict[str, list[tuple[str, vote.Settled]]] = {name: [] for name in holdout.SIDES}
    near: list[str] = []
    for identity, side in sorted(sides.items()):
        if side != "train" and identity not in drawn:
            near.append(identity)
        elif identity in labels:
            members[side].append((identity, labels[identity]))
        elif side != "train" and identity in tied:
            members[side].append((identity, tied[identity]))
    return members, near


def read_heldout(data: params.Data, held: holdout.Holdout) -> set[str]:
    """Returns the ids of all held-out texts of the pool, near-duplicates and groups included.

    Texts of the pool alone: an id from a later round would re-run `adapt`, which reads nothing else.
    """
    if not any(side != "train" for side in held.side_of_group.values()):
        return set()
    return {
        text_id(text)
        for some in reader.batches(data.pool, data.text_column)
        for text, group in zip(some.texts, some.groups, strict=True)
        if held.holds(text, group)
    }


def warnings(made: Split, task: Task, rule: params.Split) -> Iterator[str]:
    """Yields a warning for labels with a single example, for texts that moved, and for each side that lacks some labels; an empty side is a UserError."""
    if made.moved:
        yield (
            f"Warning: {len(made.moved)} labelled texts are held out because their `group`, or a copy in another group, ties them to a held-out "
            "text; metrics/split.csv lists them."
        )
    examples = Counter(label for settled in made.verdict.labels.values() for label in settled.labels)
    if alone := [label for label in task.labels if examples[label] == 1]:
        yield (
            f"Warning: only one text in all rounds has the label {few(alone)}: two or more are needed to learn a label and to test it. "
            "The loop goes on. Label further texts with it, or take it out: labelrounds schema retire LABEL."
        )
    if waiting := len(made.verdict.outdated):
        yield (
            f"Warning: {waiting} texts have a label that was split or retired: they neither train nor test until they are labelled again "
            "(labelrounds schema relabel FILE.csv)."
        )
    for name, rows in made.members.items():
        if not rows and name == "valid" and rule.valid == 0:
            continue
        if not rows:
            tied = f" The column `group` ties {len(made.moved)} texts to other sides: is it one document or customer per value?" if made.moved else ""
            raise UserError(
                f"no labelled text falls into {name}. Label more texts in the holdout rounds (some hundred is good), "
                f"or change split.valid, split.test or split.salt in params.yaml.{tied}"
            )
        present = {label for _, settled in rows for label in settled.labels}
        lacking = [label for label in task.labels if label not in present]
        if lacking:
            yield f"Warning: {name} holds no text with the label {few(lacking)}: " + (
                "the model cannot learn it yet." if name == "train" else "macro-F1 leaves it out there."
            )


def cases(made: Split, task: Task) -> list[Case]:
    """Returns a line for every text whose label had to be decided, that may not train, or that the pool lacks."""
    verdict = made.verdict
    relabelled = [
        (identity, "relabelled", new.round, f"{task.spell(old.labels)} -> {task.spell(new.labels)}")
        for identity, (old, new) in sorted(verdict.relabelled.items())
    ]
    tied = [
        (identity, "tie: not trained on", name, " | ".join(task.spell(labels) for labels in votes))
        for identity, (name, votes) in sorted(verdict.tied.items())
    ]
    outdated = [(identity, f"{OUTDATED}: not trained on", name, label) for identity, (name, label) in sorted(verdict.outdated.items())]
    moved = [(identity, f"{TIED}: moved", "", f"{own} -> {made.sides[identity]}") for identity, own in sorted(made.moved.items())]
    near = [(identity, f"{NEAR}: not trained on", deciding_round(verdict, identity), made.sides[identity]) for identity in made.near]
    return [*relabelled, *tied, *outdated, *moved, *near, *((identity, NOT_IN_POOL, "", "") for identity in sorted(set(made.texts) - made.in_pool))]


def deciding_round(verdict: vote.Verdict, identity: str) -> str:
    """Returns the round that decided this text's label, or where it is tied."""
    return verdict.labels[identity].round if identity in verdict.labels else {**verdict.tied, **verdict.outdated}[identity][0]


def summary(made: Split, annotations: Sequence[record.Annotation], decided: Sequence[Case], fingerprint: str, task: Task) -> dict[str, Any]:
    """Returns metrics/split.json: how many texts are on each side, per label and per round, and how many cases of each sort were `decided`.

    fingerprint : of the test set
    """
    counted = Counter(case.split(":")[0] for _, case, _, _ in decided)
    by_label = {name: Counter(label for _, one in rows for label in one.labels) for name, rows in made.members.items()}
    by_round = {name: Counter(one.round for _, one in rows) for name, rows in made.members.items()}
    given = Counter(a.round for a in annotations)
    return {
        "pool": made.pool_size,
        "heldout": len(made.heldout),
        **{name: len(rows) for name, rows in made.members.items()},
        "fingerprint": fingerprint,
        "relabelled": counted["relabelled"],
        "ties": counted["tie"],
        "outdated": counted[OUTDATED],
        "near_heldout": counted[NEAR],
        "moved": counted[TIED],
        "not_in_pool": counted[NOT_IN_POOL],
        "labels": {label: {name: by_label[name][label] for name in made.members} for label in task.labels},
        "rounds": {name: {"annotations": n, **{side: by_round[side][name] for side in made.members}} for name, n in given.items()},
    }
