"""The map of the pool as a drawing, and the groups of texts of which the labeler is least sure."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from labelrounds.core import paths
from labelrounds.core.task import SEPARATOR
from labelrounds.measures import landscape
from labelrounds.report.formats import shown
from labelrounds.report.sections import Project, read_csv

COLOURS = 8  # of labels; the last one is for all others
SHOWN, WORDS = 6, 8  # groups in the table, and typical words of each
WIDE, EDGE = 640, 14  # pixels
OTHERS, NONE = "other labels", "no label"


def of_pool(project: Project) -> dict[str, Any] | None:
    """Returns the drawing, its key, and the least sure groups; None where no map was made."""
    rows = read_csv(paths.MAP)
    if not rows:
        return None
    first = (row["label"].split(SEPARATOR)[0] for row in rows)
    named = [label if label in project.task.index else NONE for label in first]
    common = Counter(named)
    names = [label for label in (*project.task.labels, NONE) if common[label]]
    if len(names) > COLOURS:
        kept = sorted(names, key=lambda label: -common[label])[: COLOURS - 1]
        names = [*(label for label in names if label in kept), OTHERS]
    colour = [names.index(label) if label in names else COLOURS - 1 for label in named]
    found = least_sure(rows, named, project)
    counts = Counter(row["mark"] for row in rows)
    return {
        "drawing": drawing(rows, colour, found, names),
        "key": [{"label": label, "number": number, "count": colour.count(number)} for number, label in enumerate(names)],
        "texts": len(rows),
        "unsure": counts[landscape.UNSURE],
        "queued": counts[landscape.QUEUED],
        "groups": found,
        "several": len({row["group"] for row in rows}),
    }


def least_sure(rows: Sequence[dict[str, str]], labels: Sequence[str], project: Project) -> list[dict[str, Any]]:
    """Returns the groups of the lowest mean confidence, the least sure first, with their most typical words where texts may show."""
    of = np.asarray([int(row["group"]) for row in rows])
    sure = np.asarray([float(row["confidence"]) for row in rows])
    words = landscape.typical([row["text"] for row in rows], of, WORDS) if project.texts else []
    means = {int(group): float(sure[of == group].mean()) for group in np.unique(of)}
    found = []
    for number, group in enumerate(sorted(means, key=lambda group: (means[group], group))[:SHOWN], 1):
        inside: list[int] = np.flatnonzero(of == group).tolist()
        common = Counter(labels[place] for place in inside).most_common(2)
        found.append(
            {
                "number": number,
                "texts": len(inside),
                "confidence": means[group],
                "labels": [(label, count / len(inside)) for label, count in common],
                "queued": sum(rows[place]["mark"] == landscape.QUEUED for place in inside),
                "words": words[group] if words else [],
                "at": [float(np.median([float(rows[place][axis]) for place in inside])) for axis in "xy"],
            }
        )
    return found


def drawing(rows: Sequence[dict[str, str]], colour: Sequence[int], groups: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    """Returns the map as an SVG: a dot per text in its label's colour, a ring around the unsure, a square behind the queued."""
    x, y = (np.asarray([float(row[axis]) for row in rows]) for axis in "xy")
    spread = max(float(np.ptp(x)), float(np.ptp(y)) / 1.2, 1e-9)
    high = round(float(np.ptp(y)) / spread * (WIDE - 2 * EDGE)) + 2 * EDGE

    def place(one: float, other: float) -> tuple[int, int]:
        scale = (WIDE - 2 * EDGE) / spread
        return round(EDGE + (one - float(x.min())) * scale), round(EDGE + (float(y.max()) - other) * scale)

    places = [place(one, other) for one, other in zip(x.tolist(), y.tolist(), strict=True)]

    def dots(chosen: list[int], style: str) -> str:
        return f'<path d="{"".join(f"M{places[number][0]} {places[number][1]}h0" for number in chosen)}" {style}/>' if chosen else ""

    marked = {mark: [number for number, row in enumerate(rows) if row["mark"] == mark] for mark in (landscape.UNSURE, landscape.QUEUED)}
    plain = [number for number, row in enumerate(rows) if not row["mark"]]
    inner = [
        *(dots([n for n in plain if colour[n] == k], f'stroke="var(--k{k})" stroke-width="5" stroke-opacity=".55"') for k in range(len(names))),
        dots(marked[landscape.UNSURE], 'stroke="currentColor" stroke-width="8.5"'),
        dots(marked[landscape.QUEUED], 'stroke="currentColor" stroke-width="9" stroke-linecap="square"'),
        *(
            dots([n for n in (*marked[landscape.UNSURE], *marked[landscape.QUEUED]) if colour[n] == k], f'stroke="var(--k{k})" stroke-width="5.5"')
            for k in range(len(names))
        ),
    ]
    for group in groups:
        left, top = place(*group["at"])
        inner.append(f'<text x="{left}" y="{top}">{group["number"]}</text>')
    said = f"Map of {len(rows)} texts of the pool by label: " + ", ".join(
        f"{shown(name)} {colour.count(number)}" for number, name in enumerate(names)
    )
    return (
        f'<svg class="plot map" viewBox="0 0 {WIDE} {high}" role="img" aria-label="{escape(said)}" style="--width: {WIDE}px">\n'
        f'<g fill="none" stroke-linecap="round">\n'
        + "\n".join(part for part in inner if part.startswith("<path"))
        + "\n</g>\n"
        + "\n".join(part for part in inner if part.startswith("<text"))
        + "\n</svg>"
    )
