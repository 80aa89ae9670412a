"""A labeler or the labels for others: in a folder, or on a model hub. Never the texts, unless somebody asks for it."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at
from labelrounds.core.params import Params
from labelrounds.labelers import contract
from labelrounds.models import runtime
from labelrounds.people import cards
from labelrounds.people.cards import HUB

README = "README.md"
EXAMPLES = ("examples.json", "responses.jsonl")  # what a prompted labeler keeps of texts
INSIDE = {"linear": "a vocabulary of their words", "nearest": "their vectors"}  # what other kinds keep of them
ENCODER = "encoder"  # of a pooled labeler: so that nobody loads it as a plain model, with a head of chance


def publish(where: str, name: str, settings: Params, license: str | None, private: bool, texts: bool = False) -> str:
    """Publishes a labeler to a folder or, as hf:ID, to a hub; returns what was done, in a sentence."""
    source = paths.LABELERS / name
    card = contract.read_card(source)
    asked = [name for name in EXAMPLES if (source / name).is_file()]
    if asked and not texts:
        raise UserError(
            f"{at(source / asked[0])} holds texts of the project: they are part of what this labeler asks with. --with-texts publishes them, too."
        )
    title = where.removeprefix(HUB)

    def fill(made: Path) -> None:
        form = cards.form_of(source, card)
        folded = True if form == cards.FOLDER else _save(name, form, made, settings)
        if form == cards.FOLDER:
            shutil.copytree(source, made, dirs_exist_ok=True)
        else:
            shutil.copyfile(source / contract.CARD, made / contract.CARD)
        text = cards.model_card(settings, name, license, where, folded, Path(title).name)
        (made / README).write_text(text, encoding="utf-8")

    address = _handed_over(where, "model", private, fill)
    how = {
        cards.PLAIN: f'pipeline("text-classification", model="{title}") of transformers loads it',
        cards.POOLED: f"no class of transformers has its head, so pipeline() cannot load it; the lines in {README} do, with transformers alone",
        cards.FOLDER: f"it is a labeler of the kind {card.kind}, which labelrounds loads",
    }
    inside = "with its texts" if asked else f"without texts, but with {INSIDE[card.kind]}" if card.kind in INSIDE else "without texts"
    return f"{name} is in {address} now, {inside}: {how[cards.form_of(source, card)]}."


def publish_labels(where: str, settings: Params, license: str | None, private: bool, texts: bool) -> str:
    """Publishes the labels, beside ids or with `texts` beside the texts, to a folder or a hub; returns what was done."""
    if not paths.LABELS.is_file():
        raise UserError(f"{at(paths.LABELS)}: there are no settled labels yet. Run `dvc repro split` first.")

    def fill(made: Path) -> None:
        shutil.copyfile(paths.LABELS, made / paths.LABELS.name)
        for side in (paths.TRAIN, paths.VALID, paths.TEST) if texts else ():
            shutil.copyfile(side, made / side.name)
        (made / README).write_text(cards.dataset_card(settings, license, texts, Path(where.removeprefix(HUB)).name), encoding="utf-8")

    address = _handed_over(where, "dataset", private, fill)
    return f"The labels are in {address} now, {'with the texts' if texts else 'beside the ids of their texts; --with-texts would add these'}."


def _handed_over(where: str, kind: str, private: bool, fill: Callable[[Path], None]) -> str:
    """Fills a folder and puts it where it belongs, in one step; returns its address."""
    if not where.startswith(HUB):
        target = Path(where)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UserError(f"{at(target)} is there already and is not empty. Choose another folder, or remove it yourself.")
        made = files.beside(target.absolute())
        try:
            made.mkdir(parents=True)
            fill(made)
            files.publish(made, target.absolute())
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return at(target)
    from huggingface_hub import HfApi  # before torch starts, which tells the hub's client to stay offline

    identity = where.removeprefix(HUB)
    if identity.count("/") != 1 or not all(identity.split("/")):
        raise UserError(f'"{where}": not a name on a hub; expected hf:OWNER/NAME.')
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    made = files.beside(paths.SCRATCH / "publish")
    try:
        made.mkdir(parents=True)
        fill(made)
        return _uploaded(api, made, identity, kind, private)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _uploaded(api: Any, made: Path, identity: str, kind: str, private: bool) -> str:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        api.create_repo(identity, repo_type=kind, private=private, exist_ok=True)
        api.upload_folder(repo_id=identity, folder_path=made, repo_type=kind, commit_message="Published by labelrounds")
    except OfflineModeIsEnabled:
        raise UserError("HF_HUB_OFFLINE is set, so nothing can be published to a hub. Unset it, or publish to a folder.") from None
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        what = "Log in first (hf auth login, or HF_TOKEN)" if status in (401, 403) else "Try again later, or publish to a folder"
        raise UserError(f"{identity}: the hub refuses it ({str(error).strip().splitlines()[0]}). {what}.") from None
    except OSError as error:
        raise UserError(f"{identity}: the hub cannot be reached ({str(error).splitlines()[0]}). Try again later, or publish to a folder.") from None
    return f"{api.endpoint}/{'datasets/' if kind == 'dataset' else ''}{identity}"


def _save(name: str, form: str, made: Path, settings: Params) -> bool:
    """Writes a transformer's weights, configuration and tokenizer; returns whether the calibration could become part of the weights."""
    exact = replace(runtime.of(settings), bf16=False)  # the weights as they were trained, not as they are read in bfloat16
    labeler: Any = contract.load(paths.LABELERS / name, exact, settings)
    model, tokenizer, card = labeler.model.cpu(), labeler.tokenizer, labeler.card
    tokenizer.model_max_length = card.max_length
    if form == cards.POOLED:
        from labelrounds.models import pooled

        folded = _fold(model.score, card)
        pooled.save(model, made / ENCODER)
        (made / ENCODER / pooled.HEAD).rename(made / pooled.HEAD)
        tokenizer.save_pretrained(made / ENCODER)
        return folded
    folded = _fold(_head(model, len(card.labels)), card)
    model.save_pretrained(made)
    tokenizer.save_pretrained(made)
    return folded


def _head(model: Any, outputs: int) -> Any:
    """Returns the last layer of a classifier of transformers: `score`, `classifier` or `classifier.out_proj`; None where it is another."""
    modules = dict(model.named_modules())
    found = [modules[name] for name in ("score", "classifier.out_proj", "classifier") if getattr(modules.get(name), "out_features", None) == outputs]
    return found[0] if found else None


def _fold(layer: Any, card: contract.Card) -> bool:
    """Makes the calibration part of a linear layer, so that a plain softmax or sigmoid gives calibrated scores; returns whether it could."""
    import torch

    slope, intercept = np.asarray(card.platt).T if card.platt else (np.ones(len(card.labels)), np.zeros(len(card.labels)))
    if card.task == "multi-class":
        slope = slope / card.temperature
    if layer is None or (layer.bias is None and intercept.any()):
        return False
    with torch.no_grad():
        layer.weight.mul_(torch.as_tensor(slope, dtype=layer.weight.dtype).unsqueeze(1))
        if layer.bias is not None:
            layer.bias.mul_(torch.as_tensor(slope, dtype=layer.bias.dtype)).add_(torch.as_tensor(intercept, dtype=layer.bias.dtype))
    return True
