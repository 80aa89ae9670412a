"""GGUF, the one-file format of llama.cpp, turned into a model folder that every other floor reads."""

from pathlib import Path

from labelrounds.core.errors import UserError
from labelrounds.models import runtime


def unpack(path: Path, folder: Path, name: str) -> None:
    """Writes the model in the GGUF file `path` to `folder` as safetensors with its tokenizer, its weights in float32.

    A quantised file loses nothing further, and becomes up to eight times larger. `name` is what an error calls it.
    """
    runtime.quiet()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        import gguf  # noqa: F401  transformers reads the file with it
    except ImportError:
        raise UserError(f"{name}: a GGUF file is read with the package gguf, which is not installed. Type: pip install gguf") from None
    try:
        loaded = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32, local_files_only=True, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # gguf and transformers raise many kinds for a broken file or an architecture they do not know
        raise UserError(
            f"{name}: {path.name} cannot be read as a GGUF language model ({(str(error).strip().splitlines() or ['no reason given'])[0]})."
        ) from None
    # What was loaded remembers its file's format and cannot be saved: a fresh model of the same shape can.
    config = loaded.config.to_dict()
    config.pop("quantization_config", None)
    fresh = type(loaded)(type(loaded.config).from_dict(config))
    fresh.load_state_dict(loaded.state_dict())
    fresh.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
