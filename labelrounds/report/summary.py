"""The few numbers that a person acts on after a round: metrics/summary.json, which `dvc metrics diff` shows.

metrics/adapt.json is a DVC metric too. Everything else stands in files that DVC does not count among the metrics
(metrics/NAME.json, metrics/gate.json …).
"""

from typing import Any

from labelrounds.core import paths
from labelrounds.report.sections import Project, read_json

SCORES = ("f1_macro", "f1_micro", "accuracy")


def of(project: Project) -> dict[str, Any]:
    """Returns the numbers by group; what has not been measured yet is left out.

    labelers : each labeler's scores on the test texts; f1 : the deployed one's F1 for each label; texts : on each side of the split
    pool : texts that the model labels alone, that people must look at, and that people labelled
    agreement : Krippendorff's alpha among people, and of the model with people; gain : macro-F1 per 100 further labels
    """
    measured = {name: found["test"] for name in project.labelers if (found := read_json(paths.METRICS / f"{name}.json"))}
    split, pool, people, stop = (read_json(paths.METRICS / f"{name}.json") or {} for name in ("split", "predict", "agreement", "stop"))
    deployed = measured.get(project.deployed, {})
    found = {
        "labelers": {name: {score: test[score] for score in SCORES} for name, test in measured.items()},
        "f1": deployed.get("f1", {}),
        "texts": {side: split.get(side) for side in ("train", "valid", "test")},
        "pool": {decision: pool.get(decision) for decision in ("auto", "review", "human")},
        "agreement": {"people": people.get("human_agreement"), "model": people.get("model_agreement")},
        "gain": {"per_100_labels": stop.get("gain", {}).get("per_100_labels")},
    }
    return {group: kept for group, values in found.items() if (kept := {name: value for name, value in values.items() if value is not None})}
