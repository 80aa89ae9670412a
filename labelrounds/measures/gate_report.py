"""What the gate tells people: the numbers of metrics/{gate,audit,predict}.json, and a sentence for all that stays closed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from labelrounds.core.task import Task, indicator
from labelrounds.measures import gate
from labelrounds.measures.binomial import interval, least_texts
from labelrounds.measures.gate import Outcome, Scored
from labelrounds.rounds import names
from labelrounds.rounds.audits import Drawn
from labelrounds.rounds.vote import Verdict


def names_of(task: Task) -> list[str]:
    """Returns what each stratum is called: the labels, and the cell that says that none applies."""
    return [*task.labels, task.spell(())]


def summary(found: Outcome, tested: Scored, gold: np.ndarray, precision: float, risk: float, labeler: str, task: Task) -> dict[str, Any]:
    """Returns metrics/gate.json: the promise, each group's cut with its proof, and each label's cut with what validation shows above it.

    tested, gold : of the validation texts; labeler : its fingerprint
    """
    names = names_of(task)
    passes = tested.confidence >= found.cuts[tested.stratum]
    lacks = ((gold > 0) & (tested.said == 0)).any(axis=1)
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
        for verdict, needed in zip(found.verdicts, found.texts_needed, strict=True)
    }
    labels = {}
    for number in range(len(names) if task.multi_label else len(task.labels)):
        mine, floor = passes & (tested.stratum == number), found.floors[number]
        labels[names[number]] = {
            "cut": float(found.cuts[number]) if np.isfinite(found.cuts[number]) else None,
            "n": int(mine.sum()),
            "right": int((mine & found.is_right).sum()),
            **({} if floor == -np.inf else {"closed_by_audit": int(floor == np.inf)}),
        }
    return {
        "precision": precision,
        "risk": risk,
        "labeler": labeler,
        "valid": len(gold),
        "open": sum(verdict.cut is not None for verdict in found.verdicts),
        "valid_auto": int(passes.sum()),
        "valid_right": int((passes & found.is_right).sum()),
        **({"valid_lacking_a_label": int((passes & lacks).sum())} if task.multi_label else {}),
        "groups": groups,
        "labels": labels,
    }


def reasons(found: Outcome, valid_share: float, precision: float, task: Task) -> Iterator[str]:
    """Yields a line for each group that stays closed: why, and how many more labelled texts would probably open it.

    valid_share : share of a random round's texts that go to validation
    """
    names, n_valid = names_of(task), len(found.is_right)
    if not n_valid:
        yield "There are no validation texts to prove a precision on, so a person must look at all texts. Raise split.valid in params.yaml."
    for verdict, needed in zip(found.verdicts, found.texts_needed, strict=True):
        if verdict.cut is None:
            shown = ", ".join(names[number] for number in verdict.strata)
            said = f"{verdict.right} of {verdict.n} validation texts right at the first cut prove {verdict.bound:.1%}, not {precision:.1%}"
            if needed is None:
                hope = "At this rate of errors more validation texts alone would not do: the labeler must get better."
            else:
                more = needed - n_valid
                hope = (
                    f"About {more} more validation texts would probably do (an estimate from {n_valid}): some {round(more / max(valid_share, 0.01))} "
                    "labels in a further random round under split.holdout_rounds, or a larger split.valid."
                )
            yield f"{shown}: a person must look at all of them. {said}. {hope}"


def untested(found: Outcome, free: Scored, precision: float, risk: float, task: Task) -> Iterator[str]:
    """Yields a line for the labels that are too rare among the validation texts to be tested at all, together. free : the pool's texts"""
    names, n_valid = names_of(task), len(found.is_right)
    tested = {number for path in found.paths for number in path.strata}
    rare = [number for number in np.unique(free.stratum) if number not in tested]
    if rare and found.paths:
        part = np.isin(free.stratum, rare).mean()
        least = gate.ENOUGH * least_texts(precision, risk / (len(found.paths) + 1))
        yield (
            f"{', '.join(names[number] for number in rare)}: a person must look at all of them. About {n_valid * part:.0f} of {n_valid} validation texts "
            f"are expected there, {least} are needed for a test: {int(np.ceil(least / part)) - n_valid} more validation texts."
        )


def audit_summary(drawn: Mapping[str, Drawn], checks: Verdict, precision: float, task: Task) -> dict[str, Any]:
    """Returns metrics/audit.json: for the newest audit with checks, and for each before, how many are right and the exact 95 % interval."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted({entry.audit for entry in drawn.values()}, key=names.order):
        mine = [identity for identity, entry in drawn.items() if entry.audit == name and not entry.gone]
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


def share(is_right: np.ndarray) -> dict[str, Any]:
    """Returns {n, right, precision, low, high} of a bool array: the realised precision with its exact 95 % interval."""
    n, good = len(is_right), int(is_right.sum())
    low, high = interval(good, n)
    return {"n": n, "right": good, "precision": round(good / n, 6) if n else None, "low": round(low, 6), "high": round(high, 6)}


def pool_summary(decisions: Mapping[str, int], labels: Counter[str], labeler: str, task: Task) -> dict[str, Any]:
    """Returns metrics/predict.json: how much of the pool is labelled, by whom, and as what.

    decisions : {decision: texts}, in the order to show; labels : how often each is given; labeler : its fingerprint
    """
    total = sum(decisions.values())
    return {
        "n": total,
        "labeler": labeler,
        **decisions,
        "auto_share": round(decisions["auto"] / total, 6),
        "labelled": {label: labels[label] for label in task.labels},
    }
