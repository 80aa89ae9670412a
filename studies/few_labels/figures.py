"""The study's table: macro-F1 by set, size and arm, and the lead of one arm over the others."""

from collections.abc import Iterable
from statistics import mean, stdev
from typing import Any

from labelrounds.core import screen
from studies.few_labels.arms import OURS


def table(rows: Iterable[dict[str, Any]], arms: list[str]) -> str:
    """Returns macro-F1 in % by set and size, mean ± deviation over the seeds, and how far `supervised` is ahead of each arm."""
    cells: dict[tuple[str, int], dict[str, dict[int, float]]] = {}
    for row in rows:
        cells.setdefault((row["set"], row["labels"]), {}).setdefault(row["arm"], {})[row["seed"]] = 100 * row["f1_macro"]
    shown = [[name, size, *(spread(found.get(arm, {}).values()) for arm in arms)] for (name, size), found in cells.items()]
    lines = [
        screen.table(["set", "labels", *arms], shown),
        "",
        "Macro-F1 in %, mean ± deviation over the seeds. Lead of supervised, with its 95 % interval (paired by seed):",
        "",
    ]
    leads = [[name, size, *(lead(found.get(OURS, {}), found.get(arm, {})) for arm in arms if arm != OURS)] for (name, size), found in cells.items()]
    return "\n".join([*lines, screen.table(["set", "labels", *(arm for arm in arms if arm != OURS)], leads)])


def spread(values: Iterable[float]) -> str:
    """Returns the mean ± the deviation of some values."""
    values = list(values)
    return "" if not values else f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def lead(ours: dict[int, float], other: dict[int, float]) -> str:
    """Returns the mean difference over the seeds that both have, with its 95 % interval by Student's t."""
    from scipy.stats import t

    differences = [ours[seed] - other[seed] for seed in sorted(set(ours) & set(other))]
    if len(differences) < 2:
        return f"{differences[0]:+.1f}" if differences else ""
    half = float(t.ppf(0.975, len(differences) - 1)) * stdev(differences) / len(differences) ** 0.5
    return f"{mean(differences):+.1f} [{mean(differences) - half:+.1f}, {mean(differences) + half:+.1f}]"
