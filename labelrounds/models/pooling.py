"""How the vectors of a text's tokens become one vector of the text: their mean, the first one, or the last one.

The choice has to fit what the base model was trained with: a model trained on the mean says little in its first token.
Bases made with sentence-transformers say it in 1_Pooling/config.json; the others follow the habit of their kind.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at

AUTO, MEAN, CLS, LAST = "auto", "mean", "cls", "last"
CONFIG = "1_Pooling/config.json"  # what sentence-transformers writes beside a model
NAMES = {"pooling_mode_mean_tokens": MEAN, "pooling_mode_cls_token": CLS, "pooling_mode_lasttoken": LAST}


def trained_with(folder: Path) -> str | None:
    """Returns how a base model's own makers pool, by 1_Pooling/config.json; None where they do not say, or pool in a way of their own."""
    path = folder / CONFIG
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        modes = {mode for name, mode in NAMES.items() if said.get(name)} | {mode for mode in NAMES.values() if said.get("pooling_mode") == mode}
    except (ValueError, AttributeError) as error:
        raise UserError(f"{at(path)}: not the pooling that sentence-transformers writes ({error}). Set model.pooling in params.yaml.") from None
    return modes.pop() if len(modes) == 1 else None


def for_vectors(folder: Path, wanted: str) -> str:
    """Returns how the vectors of the model in `folder` are made. wanted : model.pooling of params.yaml"""
    return (trained_with(folder) or MEAN) if wanted == AUTO else wanted


def for_head(folder: Path, causal: bool, wanted: str) -> str:
    """Returns what a classification head on the model in `folder` reads. wanted : model.pooling of params.yaml"""
    return (trained_with(folder) or (LAST if causal else CLS)) if wanted == AUTO else wanted


def pool(hidden: Any, mask: Any, how: str) -> Any:
    """Returns one vector per text, of shape (n, d). hidden : (n, tokens, d); mask : (n, tokens), 1 for tokens and 0 for padding at the end"""
    import torch

    if how == CLS:
        return hidden[:, 0]
    if how == LAST:
        return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(1) - 1]
    mask = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1)


def copy(source: Path, target: Path) -> None:
    """Copies what a base model says of its pooling into another folder of that model, where it says anything."""
    if (source / CONFIG).is_file():
        (target / CONFIG).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / CONFIG, target / CONFIG)
