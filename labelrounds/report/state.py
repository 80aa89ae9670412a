"""Where the loop stands, and what to do next: the three sentences that the page begins with."""

from typing import Any

from labelrounds.report.formats import many, percent, score, span
from labelrounds.report.sections import CRITERIA


def sentences(found: dict[str, Any], waiting: int) -> list[str]:
    """Returns what has been reached, what is left, and what to do next; commands stand between backticks.

    found : what the metrics files hold, None where one is not there; waiting : texts of the queue
    """
    said = [reached(found), left(found), following(found, waiting)]
    if not (said[0] or said[1]):
        said[0] = "Nothing has been labelled or measured yet"
    return [f"{one[0].upper()}{one[1:]}." for one in said if one]


def reached(found: dict[str, Any]) -> str:
    """Returns how many labels there are, and how good the deployed labeler is."""
    split, deployed = found["split"], found["deployed"]
    parts = []
    if split:
        given = sum(one["annotations"] for one in split["rounds"].values())
        parts.append(f"{many(len(split['rounds']), 'round')} gave {many(given, 'label')}")
    if deployed:
        interval = deployed.get("ci95", {}).get("f1_macro")
        known = f" (95 % interval {span(interval)})" if interval else ""
        parts.append(f"the deployed labeler reaches a macro-F1 of {score(deployed['f1_macro'])}{known} on {many(deployed['n'], 'test text')}")
    return "; ".join(parts)


def left(found: dict[str, Any]) -> str:
    """Returns how much of the pool is labelled without people, and whether the labels suffice."""
    predicted, stop = found["predicted"], found["stop"]
    parts = []
    if predicted:
        parts.append(
            f"it labels {percent(predicted['auto'] / max(predicted['n'], 1))} of the pool automatically, and {many(predicted['review'], 'text')} need review"
        )
    if stop:
        parts.append(f"{stop['met']} of {len(CRITERIA)} criteria for enough labels are met")
    return "; ".join(parts)


def following(found: dict[str, Any], waiting: int) -> str:
    """Returns the next step."""
    if not found["split"] or not found["split"]["rounds"]:
        return "next: draw a first round (`labelrounds draw 200 round-01.csv`), label it and import it"
    if not found["deployed"] or not found["predicted"]:
        return "next: run `dvc repro`, which trains and measures"
    enough = found["stop"] and found["stop"]["met"] == len(CRITERIA)
    unchecked = found["predicted"]["auto"] and not (found["audit"] or {}).get("audits")
    alone = found["people"] is not None and not found["people"]["texts"]
    if enough:
        step = "next: nothing asks for more labels"
    elif waiting:
        step = f"next: label the {many(waiting, 'text')} of the queue (`labelrounds serve`), then run `dvc repro`"
    else:
        step = "next: run `dvc repro`, which fills the queue"
    if unchecked:
        return f"{step}; let people check what is automatic, too (`labelrounds audit 100 audit.csv`)"
    if alone:
        return f"{step}; ask for second opinions, too (`labelrounds serve --again 100`): nobody knows yet how far people agree"
    return step
