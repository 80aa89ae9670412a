"""Where the errors are: label by label what it is taken for, and the texts behind it, grouped the same way."""

from collections import Counter, defaultdict
from typing import Any

from labelrounds.core import paths
from labelrounds.core.task import Task
from labelrounds.report.sections import Project, texts_of

PANELS = 12  # small multiples: of more labels, those with the most errors
BARS = 5  # of one panel
GROUPS = 12  # of texts: the most frequent confusions
EACH = 4  # texts shown of one group: the first ones show more where there are few groups
SHOWN = 32  # texts at most


def panels(said: list[dict[str, str]] | None, task: Task) -> dict[str, Any] | None:
    """Returns one panel per label: what the labeler says of the texts that people give it, the right answer first.

    For several labels per text: found, missed and false alarms. `more` : labels that have no panel.
    """
    if said is None:
        return None
    made = [_multi_label_panel(label, said, task) if task.multi_label else _panel(label, said, task) for label in task.labels]
    made = [panel for panel in made if panel["texts"] or panel["wrong"]]
    kept = sorted(made, key=lambda panel: -panel["wrong"])[:PANELS] if len(made) > PANELS else made
    return {"panels": kept, "more": len(made) - len(kept)}


def _panel(label: str, said: list[dict[str, str]], task: Task) -> dict[str, Any]:
    given = Counter(row["predicted"] for row in said if row["gold"] == label)
    total = given.total()
    others = [name for name in task.labels if name != label and given[name]]
    ranked = [label, *sorted(others, key=lambda name: (-given[name], task.index[name]))[: BARS - 1]]
    bars = [{"name": name, "count": given[name], "share": given[name] / max(total, 1), "right": name == label} for name in ranked]
    return {"label": label, "texts": total, "wrong": total - given[label], "bars": bars, "more": len(others) + 1 - len(ranked)}


def _multi_label_panel(label: str, said: list[dict[str, str]], task: Task) -> dict[str, Any]:
    pairs = Counter(tuple(label in task.parse(row[side], "metrics") for side in ("gold", "predicted")) for row in said)
    counts = {"found": pairs[True, True], "missed": pairs[True, False], "false alarms": pairs[False, True]}
    whole = max(sum(counts.values()), 1)
    bars = [{"name": name, "count": count, "share": count / whole, "right": name == "found"} for name, count in counts.items()]
    return {"label": label, "texts": counts["found"] + counts["missed"], "wrong": counts["missed"] + counts["false alarms"], "bars": bars, "more": 0}


def wrong(rows: list[dict[str, str]], project: Project) -> dict[str, Any]:
    """Returns the texts that the deployed labeler got wrong, by what was taken for what: the most frequent confusion first.

    Within a group the surest errors come first. `more` : errors of other confusions
    """
    task = project.task
    known = texts_of([paths.TEST]) if project.texts else {}
    by_pair: dict[tuple[str, str], list[tuple[float, dict[str, str]]]] = defaultdict(list)
    for row in rows:
        if row["gold"] != row["predicted"]:
            by_pair[row["gold"], row["predicted"]].append((how_sure(row, task), row))
    ranked = sorted(by_pair.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    each = max(EACH, SHOWN // max(min(len(ranked), GROUPS), 1) // 2)
    groups = [
        {
            "gold": task.parse(gold, "metrics"),
            "predicted": task.parse(predicted, "metrics"),
            "count": len(found),
            "rows": [
                {"id": row["id"], "confidence": sure, "text": known.get(row["id"])}
                for sure, row in sorted(found, key=lambda pair: (-pair[0], pair[1]["id"]))[:each]
            ],
        }
        for (gold, predicted), found in ranked[:GROUPS]
    ]
    errors = sum(map(len, by_pair.values()))
    return {"n": len(rows), "errors": errors, "groups": groups, "pairs": len(ranked), "more": errors - sum(group["count"] for group in groups)}


def how_sure(row: dict[str, str], task: Task) -> float:
    """Returns how sure a wrong decision was: the score of the label; multi-label: of the surest label that is wrong."""
    found = {label: float(row.get(f"score_{label}") or 0) for label in task.labels}
    if not task.multi_label:
        return found.get(row["predicted"], 0.0)
    gold, said = (set(task.parse(row[side], "metrics")) for side in ("gold", "predicted"))
    return max([*(found[label] for label in said - gold), *(1 - found[label] for label in gold - said)])
