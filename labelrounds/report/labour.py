"""Who labelled how much, and when: labels per person and week, from the times that the labels themselves carry."""

import datetime
from collections import Counter
from collections.abc import Iterable
from typing import Any

from labelrounds.report.sections import Project, numbered
from labelrounds.rounds.record import Annotation

ROWS, PEOPLE = 26, 8  # weeks (half a year) and people that the table shows; the others are summed up
NOBODY, OTHERS = "(not named)", "others"


def per_week(annotations: Iterable[Annotation], project: Project) -> dict[str, Any] | None:
    """Returns a table of labels per person and ISO week, the newest week last; per round where no label carries a time.

    `by` : "week" or "round"; `people` : the columns, who labelled most first; `rows` : name and counts; `without` : labels without a time
    """
    given = list(annotations)
    if not given:
        return None
    weeks = {one: found for one in given if (found := week(one.labelled_at))}
    by = "week" if weeks else "round"
    counted: dict[str, Counter[str]] = {}
    for one in sorted(weeks or given, key=lambda one: weeks[one] if weeks else 0):
        counted.setdefault(weeks[one] if weeks else one.round, Counter())[one.annotator or NOBODY] += 1
    totals: Counter[str] = sum(counted.values(), Counter())
    people = sorted(totals, key=lambda name: (-totals[name], name))
    shown, others = people[:PEOPLE], people[PEOPLE:]
    known = {} if project.texts else numbered({*project.people, *people} - {NOBODY})
    rows = [
        {"name": name, "counts": [some[who] for who in shown] + ([sum(some[who] for who in others)] if others else [])}
        for name, some in counted.items()
    ]
    if len(rows) > ROWS:
        before = [sum(counts) for counts in zip(*(row["counts"] for row in rows[:-ROWS]), strict=True)]
        rows = [{"name": "before", "counts": before}, *rows[-ROWS:]]
    return {
        "by": by,
        "people": [known.get(name, name) for name in shown] + ([f"{len(others)} {OTHERS}"] if others else []),
        "rows": rows,
        "most": max(count for row in rows for count in row["counts"]),
        "without": len(given) - len(weeks) if weeks else 0,
    }


def week(moment: str) -> str:
    """Returns the ISO week of a time such as 2026-03-02T10:00:00Z, as 2026-W10; empty where there is no time."""
    try:
        found = datetime.datetime.fromisoformat(moment).isocalendar()
    except ValueError:
        return ""
    return f"{found.year}-W{found.week:02d}"
