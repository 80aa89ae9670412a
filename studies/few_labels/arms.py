"""The ways of labelling that the study compares."""

from dataclasses import dataclass
from typing import Any

from studies.few_labels.peers import SMALL_TEXT

VALIDATION = 0.2  # the share of the labels that the arms with validation spend on it
BEFORE = {"head": "random", "head_learning_rate": 2e-4, "learning_rate": 2e-4}
OURS = "supervised"


@dataclass(frozen=True)
class Arm:
    """A way of labelling. change : {section: its values in place of those of params.yaml}; validation : the share of the labels for it"""

    method: str
    what: str
    validation: float = 0.0
    change: dict[str, dict[str, Any]] | None = None


ARMS = {
    OURS: Arm("supervised", "the head begins at a probe, pooling as the base was trained, all labels, to the last step"),
    "validated": Arm("supervised", "the same with a fifth of the labels for validation, which chooses the epoch", VALIDATION),
    "random-head": Arm("supervised", "the same as supervised, but the head begins at random", 0.0, {"finetune": {"head": "random"}}),
    "means-head": Arm("supervised", "the same as supervised, but the head begins at the class means", 0.0, {"finetune": {"head": "means"}}),
    "before": Arm(
        "supervised",
        "as it was: random head on the first token, 2e-4, a fifth for validation",
        VALIDATION,
        {"finetune": BEFORE, "model": {"pooling": "cls"}},
    ),
    "trainer": Arm(
        "supervised",
        "a plain Trainer: random head on the first token, 2e-4, 10 epochs, no class weights",
        0.0,
        {"finetune": {**BEFORE, "epochs": 10, "min_steps": 0, "class_weights": "none"}, "model": {"pooling": "cls"}},
    ),
    "probe": Arm("probe", "class means or a regression on frozen vectors, chosen on the labels"),
    "regression": Arm("probe", "a balanced logistic regression on frozen vectors, C = 1", 0.0, {"probe": {"inverse_regularization": [1.0]}}),
    "self-training": Arm("self-training", "a regression on frozen vectors that also learns from the other texts, without their labels"),
    "setfit": Arm("setfit", "setfit with this project's settings"),
    "small-text": Arm(SMALL_TEXT, "small-text's own classifier, with its defaults; not among those that run unasked"),
}
UNASKED = [name for name in ARMS if name != "small-text"]  # what needs no package beyond this project's


def own_arm(text: str) -> tuple[str, Arm]:
    """Returns the name and the arm of `NAME:section.key=value,…`; `validation=0.2` spends that share of the labels on validation."""
    from ruamel.yaml import YAML

    name, _, settings = text.partition(":")
    change: dict[str, dict[str, Any]] = {}
    for place, _, value in (one.partition("=") for one in settings.split(",") if one):
        section, _, field = place.partition(".")
        change.setdefault(section, {})[field] = YAML(typ="safe").load(value)
    validation = change.pop("validation", {}).get("", 0.0)
    return name, Arm("supervised", settings, validation, change)
