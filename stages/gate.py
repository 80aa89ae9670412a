"""Decide what the model may label alone, at the precision that params.yaml promises; write the labelled pool.

    data/predictions/shards, data/pool, data/split/{valid,labels}.csv, data/audits, models/labeler/DEPLOY
        ──► data/predictions/labelled.csv; metrics/{gate,audit,predict}.json

Audits take texts out first; then the unlabelled pool fixes the cuts to try, and the validation texts try them.
"""

from collections import Counter
from dataclasses import dataclass

import click
import numpy as np
from tqdm import tqdm

from labelrounds.core import examples, files, params, paths, tables
from labelrounds.core.errors import Command
from labelrounds.core.task import indicator
from labelrounds.labelers import contract
from labelrounds.measures import gate
from labelrounds.models import runtime
from labelrounds.pool import predictions, reader
from labelrounds.rounds import audits, queue


@dataclass(frozen=True)
class Scored:
    """What the labeler says of n texts: its 0/1 labels of shape (n, k), its confidence and the label that it hangs on, both of shape (n,)."""

    said: np.ndarray
    confidence: np.ndarray
    stratum: np.ndarray


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    source, deployed = settings.data.pool, paths.LABELERS / settings.deploy
    precision, risk = settings.predict.precision, settings.predict.risk
    with files.unchanged(source, paths.SHARDS, deployed, paths.VALID, paths.LABELS, paths.AUDITS):
        card = contract.read_card(deployed)
        task, n_strata = card.schema, len(card.labels) + 1
        valid, checks, drawn = examples.read(paths.VALID, task), audits.checked(task), audits.drawn(task)
        trained = {row.cells["id"] for row in tables.rows(paths.LABELS) if row.cells["side"] == "train"}
        people = {identity: settled.labels for identity, settled in checks.labels.items()} | {
            row.cells["id"]: task.parse(row.cells[task.column], row.where) for row in tables.rows(paths.LABELS)
        }
        wanted = {*valid.ids, *checks.labels}
        free, known = read_pool(card, set(people), wanted)
        lacking = [number for number, identity in enumerate(valid.ids) if identity not in known]
        if lacking:  # validation texts that came with a round, not from the pool
            labeler = contract.load(deployed, lambda: runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision))
            found = labeler.scores([valid.texts[number] for number in lacking], settings.predict.batch_size)
            known |= {valid.ids[number]: row for number, row in zip(lacking, found, strict=True)}
        # A text that trains cannot check: the labeler has seen its answer.
        audited = [identity for identity in sorted(checks.labels) if identity in known and identity not in trained]
        floors = audit_floors(audited, known, checks, card, n_strata, precision, risk)
        tested = scored(np.stack([known[identity] for identity in valid.ids]), card)
        is_right = gate.right(tested.said, valid.gold)
        cut_paths = gate.plan(free.confidence, free.stratum, n_strata, len(valid), precision, risk, floors)
        verdicts = gate.decide(cut_paths, tested.confidence, tested.stratum, is_right, precision, floors)
        cuts = gate.cuts_by_stratum(verdicts, n_strata, floors)
        texts_needed = [
            gate.needed(path, tested.confidence, tested.stratum, is_right, precision, floors) if verdict.cut is None else None
            for path, verdict in zip(cut_paths, verdicts, strict=True)
        ]
        counts = write_labelled(card, people, cuts, settings)
    files.write_json(paths.METRICS / "gate.json", summary(verdicts, texts_needed, cuts, floors, valid, tested, settings, card))
    files.write_json(paths.METRICS / "audit.json", audit_summary(drawn, checks, precision, task))
    write_counts(counts, card, files.fingerprint(deployed))
    total = sum(counts["decision"].values())
    for line in [*reasons(verdicts, texts_needed, len(valid), settings, card), *untested(cut_paths, free, len(valid), settings, card)]:
        click.echo(line)
    click.echo(
        "gate: "
        + ", ".join(f"{counts['decision'][name]} ({counts['decision'][name] / total:.0%}) {name}" for name in ("auto", "review", "human"))
        + "."
    )


def scored(probabilities, card):
    """Returns what the labeler says, from its float32 scores of shape (n, k)."""
    said = indicator(contract.decide(probabilities, card), card.schema)
    return Scored(said, contract.confidence(probabilities, card), gate.strata(probabilities, said))


def read_pool(card, people, wanted):
    """Returns (what the labeler says of the texts without a person's label, {id: scores} of the texts `wanted`)."""
    parts, known = [], {}
    for ids, probabilities in predictions.scores(card.labels):
        known |= {identity: row for identity, row in zip(ids, probabilities, strict=True) if identity in wanted}
        mine = scored(probabilities[[identity not in people for identity in ids]], card)
        parts.append((mine.confidence, mine.stratum.astype(np.int32)))
    confidence, stratum = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Scored(np.empty((0, len(card.labels))), confidence, stratum), known


def audit_floors(audited, known, checks, card, n_strata, precision, risk):
    """Returns the least confidence that the audits leave to each label, by what today's labeler says of the audited texts."""
    if not audited:
        return np.full(n_strata, -np.inf)
    today = scored(np.stack([known[identity] for identity in audited]), card)
    gold = indicator([checks.labels[identity].labels for identity in audited], card.schema)
    return gate.floors(today.confidence, today.stratum, gate.right(today.said, gold), n_strata, precision, risk)


def write_labelled(card, people, cuts, settings):
    """Writes labelled.csv, one row per pool text with people's labels where there are any; returns counts."""
    task, source = card.schema, settings.data.pool
    ours = ["id", "text", task.column, "confidence", "decision"]
    own = reader.own_columns(source, settings.data.text_column, ours)
    counts = {"decision": Counter(), "label": Counter()}

    def said_of_pool():
        for ids, probabilities in predictions.scores(card.labels):
            labels, found = contract.decide(probabilities, card), scored(probabilities, card)
            yield from zip(ids, labels, found.confidence, found.confidence >= cuts[found.stratum], strict=True)

    def labelled():
        stream = tqdm(reader.stream(source, settings.data.text_column), desc="write", unit=" texts", unit_scale=True, mininterval=1.0, delay=2)
        for text, (_, said, sure, passes) in zip(stream, said_of_pool(), strict=True):
            by_people = text.id in people
            labels = people[text.id] if by_people else said
            decision = "human" if by_people else "auto" if passes else "review"
            counts["decision"][decision] += 1
            if decision != "review":
                counts["label"].update(labels)
            yield [
                text.id,
                queue.harmless(text.text),
                queue.harmless(task.spell(labels)),
                "" if by_people else f"{sure:.4f}",
                decision,
                *(queue.harmless(text.own.get(name, "")) for name in own),
            ]

    files.write_csv(paths.LABELLED, [*ours, *own.values()], labelled(), bom=True)
    return counts


def summary(verdicts, texts_needed, cuts, floors, valid, tested, settings, card):
    """Returns metrics/gate.json: the promise, each group's cut with its proof, and each label's cut with what validation shows above it."""
    names = [*card.labels, card.schema.spell(())]
    is_right = gate.right(tested.said, valid.gold)
    passes = tested.confidence >= cuts[tested.stratum]
    lacks = ((valid.gold > 0) & (tested.said == 0)).any(axis=1)
    groups = {
        " + ".join(names[number] for number in verdict.strata): {
            "open": int(verdict.cut is not None),
            "cut": verdict.cut,
            "risk": round(verdict.risk, 6),
            "n": verdict.n,
            "right": verdict.right,
            "proven": round(verdict.bound, 6),
            "pool_share": round(verdict.share, 6),
            "valid_needed": needed,
        }
        for verdict, needed in zip(verdicts, texts_needed, strict=True)
    }
    labels = {}
    for number in range(len(names) if card.schema.multi_label else len(card.labels)):
        mine = passes & (tested.stratum == number)
        labels[names[number]] = {
            "cut": float(cuts[number]) if np.isfinite(cuts[number]) else None,
            "n": int(mine.sum()),
            "right": int((mine & is_right).sum()),
            **({"closed_by_audit": int(floors[number] == np.inf)} if np.isfinite(floors[number]) or floors[number] > 0 else {}),
        }
    return {
        "precision": settings.predict.precision,
        "risk": settings.predict.risk,
        "labeler": files.fingerprint(paths.LABELERS / settings.deploy),
        "valid": len(valid),
        "open": sum(verdict.cut is not None for verdict in verdicts),
        "valid_auto": int(passes.sum()),
        "valid_right": int((passes & is_right).sum()),
        **({"valid_lacking_a_label": int((passes & lacks).sum())} if card.schema.multi_label else {}),
        "groups": groups,
        "labels": labels,
    }


def reasons(verdicts, texts_needed, n_valid, settings, card):
    """Yields a line for each group that stays closed: why, and how many more labelled texts would probably open it."""
    names = [*card.labels, card.schema.spell(())]
    for verdict, needed in zip(verdicts, texts_needed, strict=True):
        if verdict.cut is None:
            shown = ", ".join(names[number] for number in verdict.strata)
            said = f"{verdict.right} of {verdict.n} validation texts right at the first cut prove {verdict.bound:.1%}, not {settings.predict.precision:.1%}"
            if needed is None:
                hope = "At this rate of errors more validation texts alone would not do: the labeler must get better."
            else:
                more = needed - n_valid
                hope = (
                    f"About {more} more validation texts would probably do (an estimate from {n_valid}): some {round(more / max(settings.split.valid, 0.01))} "
                    "labels in a further random round under split.holdout_rounds, or a larger split.valid."
                )
            yield f"{shown}: a person must look at all of them. {said}. {hope}"


def untested(cut_paths, free, n_valid, settings, card):
    """Yields a line for the labels that are too rare among the validation texts to be tested at all, together."""
    names = [*card.labels, card.schema.spell(())]
    tested = {number for path in cut_paths for number in path.strata}
    rare = [number for number in np.unique(free.stratum) if number not in tested]
    if rare and cut_paths:
        part = np.isin(free.stratum, rare).mean()
        least = gate.ENOUGH * gate.least_texts(settings.predict.precision, settings.predict.risk / (len(cut_paths) + 1))
        yield (
            f"{', '.join(names[number] for number in rare)}: a person must look at all of them. About {n_valid * part:.0f} of {n_valid} validation texts "
            f"are expected there, {least} are needed for a test: {int(np.ceil(least / part)) - n_valid} more validation texts."
        )


def audit_summary(drawn, checks, precision, task):
    """Returns metrics/audit.json: for the newest audit with checks, and for each before, how many are right and the exact 95 % interval."""
    found = {}
    for name in sorted({entry.audit for entry in drawn.values()}, key=int):
        mine = [identity for identity, entry in drawn.items() if entry.audit == name]
        ids = sorted(identity for identity in mine if identity in checks.labels)
        said = indicator([drawn[identity].labels for identity in ids], task)
        gold = indicator([checks.labels[identity].labels for identity in ids], task)
        is_right = gate.right(said, gold)
        shown = {"drawn": len(mine), "checked": len(ids), **share(is_right), "kept": int(not len(ids) or is_right.mean() >= precision)}
        if task.multi_label:
            shown["complete"] = int((said == gold).all(axis=1).sum())
        shown["labels"] = {label: share(gold[said[:, number] > 0, number] > 0) for number, label in enumerate(task.labels)}
        if task.multi_label:
            shown["labels"][task.spell(())] = share(is_right[~said.any(axis=1)])
        found[name] = shown
    newest = next((name for name in reversed(found) if found[name]["checked"]), None)
    return {
        "audits": len(found),
        "promised": precision,
        "tied": len(checks.tied),
        **({"newest": newest, **found[newest]} if newest else {}),
        "each": {name: {key: value for key, value in shown.items() if key != "labels"} for name, shown in found.items()},
    }


def share(is_right):
    """Returns {n, right, precision, low, high} of a 0/1 array: the realised precision with its exact 95 % interval."""
    n, good = len(is_right), int(is_right.sum())
    low, high = gate.interval(good, n)
    return {"n": n, "right": good, "precision": round(good / n, 6) if n else None, "low": round(low, 6), "high": round(high, 6)}


def write_counts(counts, card, fingerprint):
    """Writes metrics/predict.json: how much of the pool is labelled, by whom, and as what."""
    total = sum(counts["decision"].values())
    files.write_json(
        paths.METRICS / "predict.json",
        {
            "n": total,
            "labeler": fingerprint,
            **{decision: counts["decision"][decision] for decision in ("auto", "review", "human")},
            "auto_share": round(counts["decision"]["auto"] / total, 6),
            "labelled": {label: counts["label"][label] for label in card.labels},
        },
    )


if __name__ == "__main__":
    main()
