"""What a training leaves on disk while it runs: checkpoints to go on from, the history of its epochs, the best weights so far."""

import json
from pathlib import Path
from typing import Any

HISTORY, BEST, COMPLETE = "history.json", "best.safetensors", "complete"


def read_history(folder: Path) -> dict[str, Any]:
    """Returns the scores of the epochs so far, and whether the training is finished."""
    path = folder / HISTORY
    return json.loads(path.read_text()) if path.is_file() else {"finished": False, "epochs": []}


def last_checkpoint(folder: Path) -> str | None:
    """Returns the newest checkpoint that was written to its end; None where there is none."""
    complete = [path for path in folder.glob("checkpoint-*") if (path / COMPLETE).is_file()]
    return str(max(complete, key=lambda path: int(path.name.rpartition("-")[2]))) if complete else None


def save_weights(model: Any, path: Path) -> None:
    """Writes all weights; of a model with frozen ones, which may be large, only those that train."""
    from safetensors.torch import save_file, save_model

    temporary = path.with_suffix(".part")
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if len(trained) == len(list(model.named_parameters())):
        save_model(model, str(temporary))
    else:
        save_file({name: weight.detach().contiguous() for name, weight in trained.items()}, str(temporary))
    temporary.replace(path)


def load_weights(model: Any, path: Path) -> None:
    """Gives a model the weights that `save_weights` wrote."""
    import torch
    from safetensors.torch import load_file, load_model

    device = str(next(model.parameters()).device)
    weights = dict(model.named_parameters())
    if all(weight.requires_grad for weight in weights.values()):
        load_model(model, str(path), device=device)
        return
    with torch.no_grad():
        for name, weight in load_file(str(path), device=device).items():
            weights[name].copy_(weight)
