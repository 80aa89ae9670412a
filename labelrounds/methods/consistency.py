"""What UDA trains: the loss of labelled texts as they are released, and the consistency of a text with its augmented copy.

Source: Xie et al. (2020), "Unsupervised Data Augmentation for Consistency Training".
"""

import math
from typing import Any

from labelrounds.core.task import Task
from labelrounds.methods import classifier

NONE, LINEAR, EXP, LOG = SCHEDULES = ("none", "linear", "exp", "log")
STEEPNESS = 5.0  # of the curves exp and log, as in the paper


def signal_threshold(schedule: str, done: float, outcomes: int) -> float:
    """Returns the probability of its own label from which on a labelled text no longer trains the model.

    Training-signal annealing: the threshold rises from chance (1 / outcomes) to 1 while `done` goes from 0 to 1, so that a few labels are
    not learnt by heart at once. `exp` releases them late (for few labels), `log` early, `linear` evenly; `none`: all from the start.
    """
    shares = {
        NONE: 1.0,
        LINEAR: done,
        EXP: math.exp((done - 1) * STEEPNESS),
        LOG: 1 - math.exp(-done * STEEPNESS),
    }
    return shares[schedule] * (1 - 1 / outcomes) + 1 / outcomes


def supervised_loss(logits: Any, labels: Any, per_label: Any, threshold: float, task: Task) -> Any:
    """Returns the mean loss of what the annealing still lets train; 0 where the model is sure of every text already.

    For multi-label each label of each text is a question of its own.
    """
    losses = classifier.each_loss(logits, labels, per_label, task)
    if task.multi_label:
        own = (labels * logits.sigmoid() + (1 - labels) * (1 - logits.sigmoid())).detach()
        weight = (own <= threshold).to(losses.dtype)
        return (losses * weight).sum() / weight.sum().clamp(min=1)
    own = logits.softmax(-1).gather(1, labels[:, None])[:, 0].detach()
    released = (own <= threshold).to(losses.dtype)
    # As the supervised loss: a mean weighted by the labels' weights.
    return (losses * released).sum() / (per_label[labels] * released).sum().clamp(min=1e-6)


def consistency_loss(original: Any, augmented: Any, temperature: float, confidence: float, multi_label: bool) -> Any:
    """Returns the mean divergence KL(original || augmented) over all texts, 0 for those of which the model is not sure.

    original, augmented : logits of shape (n, k); no gradient flows into `original`. The target is sharpened (its logits divided by
    `temperature`), and counts where the unsharpened probability reaches `confidence`. For multi-label each label is a Bernoulli variable.
    """
    import torch

    original = original.detach()
    if multi_label:
        sure = (original.sigmoid() - 0.5).abs() + 0.5 >= confidence
        target = (original / temperature).sigmoid()
        cross = torch.nn.functional.binary_cross_entropy_with_logits(augmented, target, reduction="none")
        entropy = -torch.xlogy(target, target) - torch.xlogy(1 - target, 1 - target)
        return ((cross - entropy) * sure).mean()
    sure = original.softmax(-1).amax(-1) >= confidence
    target = (original / temperature).log_softmax(-1)
    divergence = torch.nn.functional.kl_div(augmented.log_softmax(-1), target, reduction="none", log_target=True).sum(-1)
    return (divergence * sure).mean()
