"""What a page shows of a project: the metrics as plain dicts and plots, None where a file is not there."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files, paths, tables
from labelrounds.core.task import SEPARATOR, Task, indicator
from labelrounds.measures import bootstrap, scores, snapshots
from labelrounds.report import plots
from labelrounds.report.formats import score
from labelrounds.rounds import names

LISTED = 20  # suspects
GRID = 12  # a confusion matrix of more labels is a heat map
PAIRS = 15
FACTS = 60
CRITERIA = {
    "gain": "new labels bring hardly any F1",
    "stability": "predictions on the pool hardly change between rounds",
    "people": "the model agrees with people as well as they with each other",
}
CASES = {
    "denied": "denied by a model that has not seen the label",
    "doubted": "doubted by it",
    "tie": "people are tied",
    "relabelled": "changed by a later round",
    "divided": "given by a mere majority",
}
MEASURES = {
    "raw": ("people agree (share of pairs)", "texts"),
    "fleiss_kappa": ("people among each other, Fleiss’ kappa", "texts"),
    "alpha": ("people among each other, Krippendorff’s alpha", "texts"),
    "human_agreement": ("people among each other, alpha on test texts", "test_texts"),
    "model_agreement": ("the model with people, alpha on test texts", "test_texts"),
    "difference": ("the model’s alpha minus people’s own", "test_texts"),
}


@dataclass(frozen=True)
class Project:
    """What the page is about.

    labelers : names, in order; deployed : one of them; people : annotators; texts : whether texts and names are shown
    seed : of the resamples behind the intervals of earlier rounds
    """

    task: Task
    labelers: tuple[str, ...]
    deployed: str
    people: tuple[str, ...] = ()
    texts: bool = True
    seed: int = 13


def read_json(path: Path) -> Any:
    """Returns what a metrics file holds, or None if it is not there; damage is a UserError."""
    return files.read_json(path) if path.is_file() else None


def read_csv(path: Path) -> list[dict[str, str]] | None:
    """Returns the rows of a metrics file, or None if it is not there."""
    return [row.cells for row in tables.rows(path)] if path.is_file() else None


def labelers_plot(measured: dict[str, Any], deployed: str) -> str | None:
    """Returns the plot of every labeler's macro-F1, the best first."""
    if not measured:
        return None
    ranked = sorted(measured, key=lambda name: -measured[name]["f1_macro"])
    rows = [
        (f"{name} *" if name == deployed else name, measured[name]["f1_macro"], measured[name].get("ci95", {}).get("f1_macro")) for name in ranked
    ]
    said = "Macro-F1 on the test texts: " + ", ".join(f"{name} {score(measured[name]['f1_macro'])}" for name in ranked)
    return plots.dots("labelers", said, rows, "macro-F1 on the test texts")


def per_label(rows: list[dict[str, str]] | None, deployed: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    """Returns one row per label, with numbers (None where there is none) and the interval of its F1."""
    if rows is None:
        return None
    intervals = (deployed or {}).get("ci95", {}).get("f1", {})
    names = ("precision", "recall", "f1", "roc_auc")
    known = (deployed or {}).get("f1", {})
    return [
        {"label": row["label"], "support": int(row["support"]), "interval": intervals.get(row["label"])}
        | {name: float(row[name]) if row[name] else None for name in names}
        | ({"f1": None} if known.get(row["label"], 0) is None else {})
        for row in rows
    ]


def confusion(said: list[dict[str, str]] | None, task: Task) -> dict[str, Any] | None:
    """Returns the confusion matrix as the template shows it: `labels` and `counts`, `heat` for many labels, `pairs`; `rows` for multi-label.

    said : what the labeler said of the test texts, metrics/NAME/test.csv
    """
    if said is None:
        return None
    gold, predicted = (_coded([row[side] for row in said], task) for side in ("gold", "predicted"))
    if task.multi_label:
        kinds = {"hits": (1, 1), "false_alarms": (0, 1), "misses": (1, 0), "rightly_not": (0, 0)}
        counted = {name: ((gold == one) & (predicted == other)).sum(axis=0).tolist() for name, (one, other) in kinds.items()}
        return {"rows": [{"label": label} | {name: counts[number] for name, counts in counted.items()} for number, label in enumerate(task.labels)]}
    counts = gold.T @ predicted
    totals = counts.sum(axis=1)
    off = sorted(((int(counts[i, j]), i, j) for i, j in zip(*np.nonzero(counts), strict=True) if i != j), key=lambda cell: (-cell[0], cell[1:]))
    pairs = [{"gold": task.labels[i], "predicted": task.labels[j], "count": n, "share": n / int(totals[i])} for n, i, j in off[:PAIRS]]
    found: dict[str, Any] = {"labels": task.labels, "counts": counts.tolist(), "totals": totals.tolist(), "pairs": pairs, "heat": None, "left_out": 0}
    if len(task.labels) > GRID:
        words = f"Confusion matrix of {len(task.labels)} labels: {int(counts.trace())} of {int(counts.sum())} texts stand on the diagonal"
        found["heat"], found["left_out"] = plots.heat("confusion", words, task.labels, counts)
    return found


def reliability(rows: list[dict[str, str]] | None, deployed: dict[str, Any] | None) -> dict[str, Any] | None:
    """Returns the reliability diagram and the expected calibration error, before and after calibration."""
    if not rows:
        return None
    titles = {"raw": "before calibration", "calibrated": "calibrated"}
    series = [
        (title, [(float(row["confidence"]), float(row["right"])) for row in rows if row["scores"] == name])
        for name, title in titles.items()
        if any(row["scores"] == name for row in rows)
    ]
    errors = {name: (deployed or {}).get(name) for name in ("ece", "ece_raw")}
    said = "Reliability: mean confidence against the share that is right; " + "; ".join(
        f"{title}: " + ", ".join(f"{x:.2f} to {y:.2f}" for x, y in points) for title, points in series
    )
    return {"plot": plots.reliability("reliability", said, series), "bins": rows, "titles": titles} | errors


def history(said: list[dict[str, str]] | None, deployed: dict[str, Any] | None, split: dict[str, Any] | None, project: Project) -> str | None:
    """Returns the plot of macro-F1 over the rounds, from what earlier models said of today's test texts; None without an earlier one.

    Models from before a change of the labels are left out, unless it was a change of names.
    Every model is scored against the labels as they are now, on the test texts that it has labelled.
    """
    if said is None or deployed is None or not split:
        return None
    now = max(map(names.number, split["rounds"]), default=0)
    # Of two models of one number, from two branches, the one with more texts counts, as in `stopping.series`. A model that knew
    # other labels is no point of the same series.
    by_number = {names.number(one.round): one for one in sorted(snapshots.read_all(project.task), key=lambda one: (one.train, one.round))}
    kept = [one for number, one in sorted(by_number.items()) if one.labeler == project.deployed and number < now and one.known == project.task.labels]
    gold = {row["id"]: row["gold"] for row in said}
    points: list[tuple[str, float, plots.Interval | None]] = []
    for one in kept:
        both = sorted(gold.keys() & one.test.keys())
        if both:
            true, told = (_coded([some[identity] for identity in both], project.task) for some in (gold, one.test))
            points.append(
                (
                    f"{names.number(one.round):02d}\n{one.train:,}",
                    scores.macro_f1(true, told),
                    bootstrap.intervals(true, told, told, project.task, project.seed)["f1_macro"],
                )
            )
    if not points:
        return None
    points.append((f"{now:02d}\n{split['train']:,}", deployed["f1_macro"], deployed.get("ci95", {}).get("f1_macro")))
    ticks, values, intervals = zip(*points, strict=True)
    told = "Macro-F1 over the rounds: " + ", ".join(f"round {tick.split()[0]} {score(value)}" for tick, value in zip(ticks, values, strict=True))
    return plots.course("history", told, ticks, values, intervals, "macro-F1", "round, and how many texts it trains on")


def _coded(cells: Sequence[str], task: Task) -> np.ndarray:
    """Returns the 0/1 array of labels as cells; a label that the task has no more counts as none."""
    return indicator(([label for label in cell.split(SEPARATOR) if label in task.index] for cell in cells), task)


def agreement(found: dict[str, Any] | None, project: Project) -> dict[str, Any] | None:
    """Returns the measures of agreement with their intervals, and a line per pair of people; without texts, people are numbered."""
    if found is None:
        return None
    rows = [
        {"name": name, "value": found[key], "interval": found.get("ci95", {}).get(key), "texts": found[count]}
        for key, (name, count) in MEASURES.items()
        if found.get(key) is not None
    ]
    both, alone, each = (read_csv(paths.METRICS / f"agreement/{name}.csv") or [] for name in ("people", "model", "reliability"))
    pairs = [(row["one"], row["other"], row) for row in both] + [("the model", row["person"], row) for row in alone]
    if not project.texts:
        names = numbered({*project.people, *(row[side] for row in both for side in ("one", "other")), *(row["person"] for row in (*alone, *each))})
        pairs = [(names.get(one, one), names.get(other, other), row) for one, other, row in pairs]
        each = [row | {"person": names[row["person"]]} for row in each]
    labels = [row for row in read_csv(paths.METRICS / "agreement/labels.csv") or [] if row["alpha"]]
    each = sorted(each, key=lambda row: -float(row["reliability"]))[:FACTS]
    return {
        "note": found.get("note", ""),
        "rows": rows,
        "labels": labels,
        "reliability": each,
        "pairs": pairs[:FACTS],
        "more": max(len(pairs) - FACTS, 0),
    }


def numbered(people: Iterable[str]) -> dict[str, str]:
    """Returns {name: what stands for it where no name may}."""
    return {name: f"person {number}" for number, name in enumerate(sorted(people), 1) if name}


def gate(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Returns the promise for automatic labels, and for each group of labels its cut, its proof, and what it lacks."""
    if found is None:
        return None
    groups = [
        {"labels": labels, "more": None if group["valid_needed"] is None else max(group["valid_needed"] - found["valid"], 0), **group}
        for labels, group in found["groups"].items()
    ]
    return {"precision": found["precision"], "risk": found["risk"], "groups": groups, "valid": found["valid"]}


def suspects(rows: list[dict[str, str]] | None, project: Project) -> dict[str, Any] | None:
    """Returns the labels that may be wrong, the most doubtful first, and how many there are of each case."""
    if rows is None:
        return None
    known = texts_of((paths.TRAIN, paths.VALID, paths.TEST)) if project.texts else {}
    task = project.task
    listed = [
        {side: task.parse(row[side], f"suspects: {row['id']}") if row[side] else None for side in ("label", "better")}
        | {"id": row["id"], "case": row["case"], "detail": row["detail"], "text": known.get(row["id"])}
        for row in rows[:LISTED]
    ]
    trained = read_json(paths.METRICS / "suspects.json")
    return {
        "trained": trained and trained["texts"],
        "cases": [(CASES.get(case, case), count) for case, count in Counter(row["case"] for row in rows).items()],
        "rows": listed,
        "n": len(rows),
    }


def texts_of(paths: Iterable[Path]) -> dict[str, str]:
    """Returns {id: text} of files of the split, those that are there."""
    return {row["id"]: row["text"] for path in paths for row in read_csv(path) or []}
