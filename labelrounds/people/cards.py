"""Cards of the model and of the labels, as Hugging Face writes them: what is known of them, with intervals and limits, and no names of people."""

import importlib.resources
from pathlib import Path
from typing import Any

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at
from labelrounds.core.params import Params
from labelrounds.labelers import contract
from labelrounds.models import pooling
from labelrounds.report.sections import read_json

MODEL, DATASET = Path("MODEL_CARD.md"), Path("DATASET_CARD.md")
MARK = "<!-- Made by labelrounds card. A change by hand is lost when it is made again. -->"
HUB = "hf:"  # what a name on a hub begins with
PLAIN, POOLED, FOLDER = "plain", "pooled", "folder"
FEW = 30  # test texts of a label: with fewer its F1 is uncertain
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (float("inf"), "1M<n<10M"))
PLAIN_USE = """from transformers import pipeline

classify = pipeline("text-classification", model="{where}"{every})
print(classify(["some text"], truncation=True, max_length={tokens}))"""
POOLED_USE = """import torch
{fetch}from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

folder = {place}
tokenizer = AutoTokenizer.from_pretrained(f"{{folder}}/encoder")
encoder = AutoModel.from_pretrained(f"{{folder}}/encoder").eval()
head = load_file(f"{{folder}}/head.safetensors")
inputs = tokenizer(["some text"], truncation=True, max_length={tokens}, padding=True, padding_side="right", return_tensors="pt")
with torch.inference_mode():
    hidden, mask = encoder(**inputs).last_hidden_state, inputs["attention_mask"]
    vectors = {pool}
    scores = (vectors @ head["weights"].T + head["bias"]).{link}
for row in scores.tolist():
    print({{encoder.config.id2label[number]: score for number, score in enumerate(row)}})"""
POOLS = {
    pooling.MEAN: "(hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)",
    pooling.CLS: "hidden[:, 0]",
    pooling.LAST: "hidden[torch.arange(len(hidden)), mask.sum(1) - 1]",
}
FOLDER_USE = """from labelrounds.core.params import load
from labelrounds.labelers import contract

# in a project of labelrounds, with this folder as models/labeler/NAME; or on the command line: labelrounds label --labeler NAME "some text"
labeler = contract.load_named("NAME", load())
print(labeler.scores(["some text"], batch_size=8))"""


def write(settings: Params, license: str | None, folder: Path = Path()) -> list[Path]:
    """Writes both cards and returns their paths; a file there that no such card is, is a UserError."""
    made = {folder / MODEL: model_card(settings, settings.deploy, license), folder / DATASET: dataset_card(settings, license)}
    for path in made:
        if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
            raise UserError(f"{at(path)} is there already and was not made by this command. Choose another folder (--to), or rename it yourself.")
    for path, text in made.items():
        with files.atomic(path) as file:
            file.write(text)
    return list(made)


def form_of(folder: Path, card: contract.Card) -> str:
    """Returns how a labeler can be published: as a plain model of transformers, as an encoder with a head, or as the folder that it is."""
    if card.kind != "transformer":
        return FOLDER
    pooled = card.pooling and ((folder / "head.safetensors").is_file() or _adapted_pool(folder, card))
    return POOLED if pooled else PLAIN


def _adapted_pool(folder: Path, card: contract.Card) -> bool:
    """Says whether a labeler with adapters reads tokens in a way that transformers has no class for."""
    from labelrounds.models import base_models

    if not (folder / base_models.COPY).is_dir():
        return False
    causal = base_models.open_base(folder / base_models.COPY).objective == base_models.CAUSAL
    return card.pooling != (pooling.LAST if causal else pooling.CLS)


def model_card(settings: Params, name: str, license: str | None, where: str = "FOLDER", folded: bool = True, title: str | None = None) -> str:
    """Returns the model's card. where : what its snippet loads, a folder or hf:ID; folded : whether the calibration is part of the published weights"""
    from huggingface_hub import EvalResult, ModelCardData

    folder = paths.LABELERS / name
    card, title = contract.read_card(folder), title or Path.cwd().name
    form, test = form_of(folder, card), (read_json(paths.METRICS / f"{name}.json") or {}).get("test")
    split, gate, people = (read_json(paths.METRICS / f"{one}.json") for one in ("split", "gate", "agreement"))
    recipe = settings.labelers.get(name)
    encoder = getattr(recipe, "encoder", "") if getattr(recipe, "method", "") != "tfidf" else ""
    base = settings.model.base if encoder in ("", "vanilla", "adapted") else settings.bases.get(encoder, "")
    scores = _scores(test) if test else []
    results = [
        EvalResult("text-classification", "private", f"{title}: test texts", kind, round(value, 4), metric_name=label, dataset_split="test")
        for (label, value, _), kind in zip(scores[:2], ("f1", "accuracy"), strict=False)
    ]
    data = ModelCardData(
        license=license,
        library_name="labelrounds" if form == FOLDER else "transformers",
        pipeline_tag="text-classification",
        tags=["text-classification", "active-learning", "labelrounds"],
        base_model=base.removeprefix("hf:").split("@")[0] if base.startswith("hf:") else None,
        model_name=title if results else None,
        eval_results=results or None,
    )
    return _rendered(
        "model_card.md",
        data,
        name=title,
        card=card,
        task=card.schema,
        labels=", ".join(f"`{label}`" for label in card.labels),
        form=form,
        folded=folded,
        snippet=snippet(card, form, where),
        thresholds=list(zip(card.labels, card.thresholds, strict=True)),
        recipe={"method": getattr(recipe, "method", card.kind), "encoder": encoder},
        base=base if encoder else "none",
        adapted=encoder == "adapted",
        split=split,
        people=people if people and people.get("texts") else None,
        test=test,
        scores=scores,
        gate=gate if name == settings.deploy else None,
        open=[(labels, group) for labels, group in gate["groups"].items() if group["open"]] if gate and name == settings.deploy else [],
        rare=[f"`{label}`" for label, counts in (split or {"labels": {}})["labels"].items() if counts["test"] < FEW],
        fingerprint=files.fingerprint(folder),
        versions=", ".join(f"{library} {version}" for library, version in card.versions.items()),
    )


def _scores(test: dict[str, Any]) -> list[tuple[str, float, list[float] | None]]:
    """Returns (title, value, interval) of the scores that a card shows; a label without test texts has none."""
    ci95 = test.get("ci95", {})
    named = [("macro-F1", "f1_macro"), ("accuracy", "accuracy"), ("micro-F1", "f1_micro")]
    rows = [(title, test[key], ci95.get(key)) for title, key in named if test.get(key) is not None]
    each = [(f"F1 of `{label}`", value, ci95.get("f1", {}).get(label)) for label, value in test["f1"].items() if value is not None]
    return rows + (each if len(each) <= 50 else [])


def snippet(card: contract.Card, form: str, where: str) -> str:
    """Returns the lines of Python that load a published labeler."""
    if form == FOLDER:
        return FOLDER_USE
    if form == PLAIN:
        return PLAIN_USE.format(where=where.removeprefix(HUB), tokens=card.max_length, every=", top_k=None" if card.schema.multi_label else "")
    hub = where.startswith(HUB)
    place = f'snapshot_download("{where.removeprefix(HUB)}")' if hub else f'"{where}"'
    fetch = "from huggingface_hub import snapshot_download\n" if hub else ""
    link = "sigmoid()" if card.schema.multi_label else "softmax(-1)"
    return POOLED_USE.format(place=place, fetch=fetch, tokens=card.max_length, pool=POOLS[card.pooling or pooling.MEAN], link=link)


def dataset_card(settings: Params, license: str | None, texts: bool = False, title: str | None = None) -> str:
    """Returns the card of the labels. texts : whether the texts are published, too"""
    from huggingface_hub import DatasetCardData

    task, title = settings.labelled_task(), title or Path.cwd().name
    split, people = (read_json(paths.METRICS / f"{one}.json") for one in ("split", "agreement"))
    count = sum(split[side] for side in ("train", "valid", "test")) if split else 0
    sides = [{"split": named, "path": f"{side}.csv"} for side, named in (("train", "train"), ("valid", "validation"), ("test", "test"))]
    data = DatasetCardData(
        license=license,
        pretty_name=f"{title}: labels",
        annotations_creators=["other"],
        task_categories=["text-classification"],
        task_ids=["multi-label-classification" if task.multi_label else "multi-class-classification"],
        size_categories=[next(name for bound, name in SIZES if count < bound)],
        tags=["active-learning", "labelrounds"],
        configs=[{"config_name": "default", "data_files": sides if texts else [{"split": "train", "path": "labels.csv"}]}],
    )
    return _rendered(
        "dataset_card.md",
        data,
        name=title,
        task=task,
        labels=", ".join(f"`{label}`" for label in task.labels),
        texts=texts,
        split=split,
        people=people,
        strategy=settings.select.strategy,
        consensus=settings.split.consensus,
        guideline=paths.GUIDELINE.is_file(),
    )


def _rendered(template: str, data: Any, **facts: Any) -> str:
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # Markdown, not HTML
    source = importlib.resources.files("labelrounds.people").joinpath(f"templates/{template}").read_text(encoding="utf-8")
    return f"---\n{data.to_yaml()}\n---\n{environment.from_string(source).render(mark=MARK, **facts).strip()}\n"
