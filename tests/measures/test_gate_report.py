"""What stays closed is said with its reason and with how much more labelling would probably open it."""

from collections import Counter

import numpy as np

from labelrounds.core.task import Task
from labelrounds.measures import gate, gate_report
from tests.small import LABELS

TASK = Task("multi-class", tuple(LABELS))


def scored(stratum: np.ndarray, confidence: np.ndarray) -> gate.Scored:
    return gate.Scored(np.eye(3, dtype=int)[stratum], confidence, stratum)


def outcome(free: np.ndarray, tested: np.ndarray, mistaken: int) -> tuple[gate.Outcome, gate.Scored, gate.Scored, np.ndarray]:
    """The gate at 0.95 and 0.05 for labels `free` in the pool and `tested` in validation, of which the first ones are mistaken."""
    pool, valid = scored(free, np.linspace(0.9, 1, len(free))), scored(tested, np.linspace(0.9, 1, len(tested)))
    gold = np.eye(3, dtype=int)[np.where(np.arange(len(tested)) < mistaken, (tested + 1) % 3, tested)]
    return gate.outcome(pool, valid, gold, np.full(4, -np.inf), 0.95, 0.05), pool, valid, gold


def test_a_closed_group_says_why_and_what_would_open_it() -> None:
    found, _, valid, gold = outcome(np.zeros(1000, int), np.zeros(50, int), 0)
    (line,) = gate_report.reasons(found, 0.2, 0.95, TASK)
    assert line.startswith("good: a person must look at all of them. 50 of 50 validation texts right at the first cut prove 94.")
    more = found.texts_needed[0] - 50
    assert f"About {more} more validation texts would probably do (an estimate from 50): some {round(more / 0.2)} labels" in line
    assert gate_report.summary(found, valid, gold, 0.95, 0.05, "abc", TASK)["groups"]["good"]["valid_needed"] == found.texts_needed[0]
    found, *_ = outcome(np.zeros(1000, int), np.zeros(50, int), 50)
    (line,) = gate_report.reasons(found, 0.2, 0.95, TASK)
    assert line.endswith("more validation texts alone would not do: the labeler must get better.")


def test_an_open_group_needs_no_reason_and_its_numbers_are_counted() -> None:
    found, _, valid, gold = outcome(np.zeros(1000, int), np.zeros(400, int), 2)
    assert list(gate_report.reasons(found, 0.2, 0.95, TASK)) == []
    report = gate_report.summary(found, valid, gold, 0.95, 0.05, "abc", TASK)
    assert report["open"] == 1 and report["valid_auto"] == report["labels"]["good"]["n"] and report["labels"]["bad"]["cut"] is None
    assert report["valid_right"] == report["labels"]["good"]["right"] <= report["valid_auto"] <= 400


def test_labels_too_rare_to_be_tested_are_named_together() -> None:
    free = np.repeat([0, 1, 2], [990, 5, 5])
    found, pool, *_ = outcome(free, np.zeros(400, int), 0)
    (line,) = gate_report.untested(found, pool, 0.95, 0.05, TASK)
    assert line.startswith("bad, other: a person must look at all of them. About 4 of 400 validation texts are expected there, ")


def test_the_pools_summary_counts_by_whom_and_as_what() -> None:
    found = gate_report.pool_summary({"auto": 6, "review": 3, "human": 1}, Counter(good=6, bad=1), "abc", TASK)
    assert found == {
        "n": 10,
        "labeler": "abc",
        "auto": 6,
        "review": 3,
        "human": 1,
        "auto_share": 0.6,
        "labelled": {"good": 6, "bad": 1, "other": 0},
    }
