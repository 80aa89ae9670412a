"""Base models on disk: verify one, load it with the head that a task needs, save it. `sources` brings them.

Both kinds are served: models that guess masked tokens (BERT and its kin) and models that guess the next one (GPT-2, LLaMA). Only safetensors are read, and no code that comes with a model is run.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import files
from labelrounds.core.errors import UserError, at
from labelrounds.models import pooling
from labelrounds.models.runtime import PAD_TO, Machine

MASKED, CAUSAL = "masked", "causal"
COPY = "encoder"  # where a labeler's folder holds the model that it is built on


@dataclass(frozen=True)
class BaseModel:
    """A model on disk with its tokenizer: `folder`, `objective` (masked or causal) and the tokenizer."""

    folder: Path
    objective: str
    tokenizer: Any


def copy(source: Path, made: Path) -> None:
    """Copies a model folder into the folder of a labeler; its bytes stay the same, so DVC's cache holds them once."""
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(source, made / COPY, ignore=shutil.ignore_patterns(files.MANIFEST))


def load_tokenizer(folder: Path, name: str | Path | None = None) -> Any:
    """Returns the tokenizer in `folder`, with a padding token (decoders borrow their end-of-text token)."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds for a broken folder
        raise UserError(f"{name or at(folder)}: the tokenizer cannot be loaded ({str(error).strip().splitlines()[0]}).") from None
    if tokenizer.pad_token is None:
        spare = tokenizer.eos_token or tokenizer.unk_token
        if spare is None:
            raise UserError(f"{name or at(folder)}: the tokenizer has no padding, end or unknown token, so texts cannot be batched. Add a pad_token.")
        tokenizer.pad_token = spare
    tokenizer.padding_side = "right"
    return tokenizer


def open_base(folder: str | Path, name: str | Path | None = None) -> BaseModel:
    """Returns the verified model folder with its tokenizer; its weights are not loaded yet.

    name : what an error calls it, where the folder is not where it will stay
    """
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

    folder = Path(folder)
    name = name or at(folder)
    files.verify(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds for a broken config
        raise UserError(f"{name}: transformers cannot read config.json ({str(error).strip().splitlines()[0]}).") from None
    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if not masked and config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UserError(
            f'{name}: a "{config.model_type}" model has no language-model head in transformers, so it cannot be adapted. Choose another base.'
        )
    return BaseModel(folder, MASKED if masked else CAUSAL, load_tokenizer(folder, name))


def load_language_model(encoder: BaseModel, machine: Machine) -> tuple[Any, bool]:
    """Returns (the model with its language-model head, whether that head is new and untrained)."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    kind = AutoModelForMaskedLM if encoder.objective == MASKED else AutoModelForCausalLM
    model, info = _load(kind, encoder, attn_implementation=machine.attention, output_loading_info=True)
    prefix = f"{model.base_model_prefix}."
    return model, any(not key.startswith(prefix) for key in info["missing_keys"])


def load_classifier(encoder: BaseModel, task: Any, machine: Machine, pooled: str | None = None, **options: Any) -> Any:
    """Returns the model with a new classification head: one output per label of `task`.

    pooled : what the head reads (pooling.py); where transformers has a class of its own for that, the model is of that class.
        None: as transformers does it. options : further ones of from_pretrained
    """
    from transformers import AutoModel, AutoModelForSequenceClassification

    names = dict(enumerate(task.labels))
    own = pooled in (None, pooling.CLS if encoder.objective == MASKED else pooling.LAST)
    model = _load(
        AutoModelForSequenceClassification if own else AutoModel,
        encoder,
        num_labels=len(names),
        id2label=names,
        label2id={label: number for number, label in names.items()},
        problem_type="multi_label_classification" if task.multi_label else "single_label_classification",
        attn_implementation=machine.attention,
        **options,
    )
    model.config.pad_token_id = encoder.tokenizer.pad_token_id
    if own:
        return model
    from labelrounds.models.pooled import PooledClassifier

    return PooledClassifier(model, pooled)


def load_encoder(encoder: BaseModel, machine: Machine) -> Any:
    """Returns the model without any head, on the machine's device, ready to embed."""
    from transformers import AutoModel

    return _load(AutoModel, encoder).eval().to(machine.device)


def _load(kind: Any, encoder: BaseModel, **options: Any) -> Any:
    import torch

    try:
        loaded = kind.from_pretrained(
            encoder.folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, **options
        )
    except (ValueError, OSError) as error:
        raise UserError(f"{at(encoder.folder)}: the model cannot be loaded ({str(error).strip().splitlines()[0]}).") from None
    _check_vocabulary(loaded[0] if options.get("output_loading_info") else loaded, encoder)
    return loaded


def _check_vocabulary(model: Any, encoder: BaseModel) -> None:
    """Raises a UserError if the tokenizer knows tokens for which the model has no vector."""
    vectors, tokens = model.get_input_embeddings().num_embeddings, len(encoder.tokenizer)
    if tokens > vectors:
        raise UserError(
            f"{at(encoder.folder)}: the tokenizer has {tokens} tokens, but the model has vectors for {vectors}: they do not belong together. "
            "Choose another base, or resize the model's embeddings and save both again."
        )


def check_length(model: Any, max_length: int) -> None:
    """Raises a UserError if a loaded model has fewer places for tokens than `max_length` (those with rotary positions have no end)."""
    for name, part in model.named_modules():
        if name.rpartition(".")[2] in ("position_embeddings", "wpe") and hasattr(part, "num_embeddings"):
            # RoBERTa's kin count from after the padding's number.
            places = part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
            if -(-max_length // PAD_TO) * PAD_TO > places:
                raise UserError(
                    f"params.yaml: model.max_length is {max_length}, but the base model reads at most {places} tokens. Set it to {places // PAD_TO * PAD_TO} or less."
                )


def save_language_model(model: Any, encoder: BaseModel, folder: str | Path) -> None:
    """Writes an adapted language model to `folder`, in place of what is there.

    Parts of the base that the language model leaves out (BERT's pooler) are kept as they were: a
    classifier starts from them.
    """
    from transformers import AutoModel

    folder = Path(folder)
    prefix = f"{model.base_model_prefix}."
    state = model.state_dict()
    whole, info = _load(AutoModel, encoder, output_loading_info=True)
    # What the base's files lack would be drawn anew here, different after a resume: whoever loads this draws its own.
    known = {key: value for key, value in whole.state_dict().items() if key not in info["missing_keys"]}
    state |= {prefix + key: value for key, value in known.items() if prefix + key not in state and key not in state}
    made = files.beside(folder)
    model.save_pretrained(made, state_dict=state)
    encoder.tokenizer.save_pretrained(made)
    pooling.copy(encoder.folder, made)
    files.seal(made)
    files.publish(made, folder)
