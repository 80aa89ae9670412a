"""What labels have brought so far, and how many it may take to reach a target; where that cannot be known yet, why.

The forecast comes from the learning curve (`studies/learning_curve`): for each of its seeds, the error falls as a power of the
number of labels (Hestness and others 2017, "Deep Learning Scaling is Predictable, Empirically"). The seeds differ by which
labels come first and where training begins, so they say how far the forecast may be trusted.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from labelrounds.core import files, paths, tables
from labelrounds.core.params import Params
from labelrounds.people import workload
from labelrounds.report.formats import many
from labelrounds.rounds.record import Annotation

SIZES, SEEDS = 3, 3  # a curve needs that many of each
FARTHEST = 20  # times the labels of today: what lies farther is no forecast
STEP = 0.05  # without a target: the next multiple of this


def lines(annotations: Sequence[Annotation], settings: Params, target: float | None) -> list[str]:
    """Returns what the labels have brought, and the forecast, in sentences; none before the deployed labeler is measured."""
    measured = paths.METRICS / f"{settings.deploy}.json"
    if not measured.is_file():
        return []
    reached = files.read_json(measured)["test"]["f1_macro"]
    gain = files.read_json(paths.METRICS / "stop.json")["gain"] if (paths.METRICS / "stop.json").is_file() else {}
    goal = round(math.floor(reached / STEP + 1 + 1e-9) * STEP, 2) if target is None else target
    return [brought(gain, workload.seconds(annotations)), until(goal, reached, curve(settings.deploy))]


def brought(gain: dict[str, Any], seconds: Sequence[float]) -> str:
    """Returns the macro-F1 per 100 labels, and per hour where people's seconds are known. gain : of metrics/stop.json"""
    if gain.get("per_100_labels") is None:
        return "What 100 labels bring cannot be known yet: no model of an earlier round was kept to compare with."
    low, high = gain["ci95"]
    said = f"100 labels have brought {gain['per_100_labels']:+.3f} macro-F1 since round {gain['since']} (95 % interval {low:+.3f} to {high:+.3f})"
    if not seconds:
        return f"{said}; nobody knows how long they took."
    hourly = 36 / float(np.mean(seconds))  # hundreds of labels in an hour
    return f"{said}: {gain['per_100_labels'] * hourly:+.3f} per hour ({low * hourly:+.3f} to {high * hourly:+.3f}), at {hourly * 100:.0f} labels an hour."


def until(target: float, reached: float, points: dict[int, dict[int, float]]) -> str:
    """Returns how many labels to train on a target takes, with its interval over the seeds, or why nobody can know.

    points : {seed: {labels: macro-F1}} of the learning curve
    """
    goal = f"macro-F1 {target:g}"
    if reached >= target:
        return f"M{goal[1:]} is reached: {reached:.3f}."
    if target >= 1:
        return f"M{goal[1:]} is beyond what a forecast can say."
    how = "`dvc repro studies/learning_curve/dvc.yaml` measures the curve that could tell"
    known = {seed: sizes for seed, sizes in points.items() if len(sizes) >= SIZES}
    if len(known) < SEEDS:
        return f"How many labels it takes to {goal} cannot be known yet: {how}, with {SIZES} sizes and {SEEDS} seeds or more."
    now = max(max(sizes) for sizes in known.values())
    needed = [labels_for(target, sizes) for sizes in known.values()]
    if not all(needed):
        return f"How many labels it takes to {goal} cannot be known yet: for {needed.count(None)} of {many(len(needed), 'seed')} more labels brought nothing."
    middle, low, high = interval([math.log(one) for one in needed if one])
    if high > math.log(FARTHEST * now):
        more = f"from {shown(low)} to more than {FARTHEST * now:,}" if low < math.log(FARTHEST * now) else f"more than {FARTHEST * now:,}"
        return f"How many labels it takes to {goal} cannot be known yet: by {many(len(needed), 'seed')} it is {more}. Today there are {now:,} to train on."
    return (
        f"M{goal[1:]} may take {shown(middle)} labels to train on (95 % interval {shown(low)} to {shown(high)}, over {many(len(needed), 'seed')} of the "
        f"learning curve, which ends at {now:,}), if further labels are as good as those so far."
    )


def labels_for(target: float, sizes: dict[int, float]) -> float | None:
    """Returns how many labels one seed's curve needs, by a straight line through log(1 - F1) over log(labels); None where it does not fall."""
    x, y = np.log(list(sizes)), np.log(np.maximum(1 - np.asarray(list(sizes.values())), 1e-6))
    slope, bias = np.polyfit(x, y, 1)
    return None if slope >= -1e-3 else float(np.exp(min((math.log(1 - target) - bias) / slope, 60.0)))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns (mean, low, high) by Student's t over the seeds."""
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return float(np.mean(values)), float(np.mean(values)) - half, float(np.mean(values)) + half


def curve(name: str) -> dict[int, dict[int, float]]:
    """Returns {seed: {labels: macro-F1}} of a labeler's learning curve, metrics/curve.csv; empty where there is none."""
    path = paths.METRICS / "curve.csv"
    found: dict[int, dict[int, float]] = defaultdict(dict)
    for row in tables.rows(path) if path.is_file() else ():
        if row.cells["recipe"] == name and int(row.cells["labels"]):
            found[int(row.cells["seed"])][int(row.cells["labels"])] = float(row.cells["f1_macro"])
    return dict(found)


def shown(log: float) -> str:
    """Returns a number of labels with two digits that count."""
    value = math.exp(log)
    digits = max(int(math.log10(max(value, 1))) - 1, 0)
    return f"{round(value / 10**digits) * 10**digits:,}"
