"""Low-rank adapters (LoRA, Hu et al. 2021): a large model is tuned through small matrices beside its frozen weights.

With `four_bit` the frozen weights are held in four bits while training (QLoRA, Dettmers et al. 2023); a trained
labeler always adds its adapters to the weights as they were brought.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any, cast

from labelrounds.core import files
from labelrounds.core.errors import UserError
from labelrounds.core.params import Lora

ADAPTER = "adapter"


def wrap(model: Any, lora: Lora) -> Any:
    """Returns the classifier with adapters on it: they and the new head are all that trains."""
    import peft

    if lora.four_bit:
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    settings = peft.LoraConfig(
        task_type=peft.TaskType.SEQ_CLS,
        r=lora.r,
        lora_alpha=cast(int, lora.alpha),  # peft takes any number: it only divides it
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or "all-linear",
    )
    try:
        return peft.get_peft_model(model, settings)
    except ValueError as error:  # no module of the model has one of these names
        layers = sorted({name.rpartition(".")[2] for name, part in model.named_modules() if type(part).__name__.startswith(("Linear", "Conv1D"))})
        raise UserError(
            f"params.yaml: finetune.lora.targets names no layer of this model ({str(error).split('.')[0]}). Its linear layers are: {', '.join(layers)}."
        ) from None


def quantisation(lora: Lora | None) -> dict[str, Any]:
    """Returns what `from_pretrained` needs to hold the frozen weights in four bits, if that is asked for."""
    if lora is None or not lora.four_bit:
        return {}
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            "params.yaml: finetune.lora.four_bit needs the package bitsandbytes, which is not installed. "
            "Type: pip install bitsandbytes; or set four_bit: false, which takes more memory and gives the same or better models."
        )
    import torch
    from transformers import BitsAndBytesConfig

    return {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16
        )
    }


def is_wrapped(model: Any) -> bool:
    """Says whether a model has adapters."""
    return hasattr(model, "peft_config")


def save(model: Any, folder: Path) -> None:
    """Writes the adapters and the head to `folder`; the same adapters give the same bytes."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    # Sets of names come in another order in every process.
    files.write_json(path, {name: sorted(value) if isinstance(value, list) else value for name, value in sorted(config.items())})


def merge(model: Any, folder: Path) -> Any:
    """Returns the classifier with the adapters in `folder` added to its weights, and their head in place of its own."""
    import peft

    return peft.PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
