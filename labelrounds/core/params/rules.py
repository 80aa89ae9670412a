"""The rules that span several keys of params.yaml: where one is broken, and how to mend that."""

from collections.abc import Iterator

from labelrounds.core.errors import did_you_mean
from labelrounds.core.params.sections import Params
from labelrounds.core.portable import PORTABLE
from labelrounds.core.task import MULTI_CLASS, NONE, SEPARATOR

RESERVED = {"split", "adapt", "gate", "audit", "predict", "agreement", "stop", "suspects", "report", "summary", "curve"}  # have files in metrics/
ENCODERS = ("vanilla", "adapted")  # which the stages `base` and `adapt` make; `bases` names further ones
PAGE_KEYS = {"u": "undo", "s": "skip", "n": "note", "/": "search", "-": "no label", "?": "the list of keys"}  # of `labelrounds serve`
Broken = Iterator[tuple[tuple[str | int, ...], str]]


def broken(params: Params) -> Broken:
    """Yields (the keys of the place, what is wrong there) for every rule that is broken."""
    for rule in (precision, labels, shares, names, translators, encoders, language_models, prompts, deploy, keys):
        yield from rule(params)


def wrong_label(label: str) -> str:
    """Returns why this cannot be the name of a label, as a sentence; empty where it can."""
    if label == label.strip() and label and SEPARATOR not in label and "\n" not in label and label != NONE and sound(label):
        return ""
    rule = f'it must not be empty, "{NONE}", hold "{SEPARATOR}" or a line break, or begin or end with a blank'
    return f'"{label.encode("utf-8", "replace").decode()}" cannot be a label: {rule}.'


def sound(label: str) -> bool:
    """Says whether a file in UTF-8 can hold the name, which half of a character outside the basic plane is not."""
    return not any("\ud800" <= character <= "\udfff" for character in label) and "\0" not in label


def precision(params: Params) -> Broken:
    if params.runtime.reproducible == PORTABLE and params.runtime.precision == "bf16":
        told = "runtime.precision is bf16, which gives other bytes on other processors, and runtime.reproducible is portable."
        yield ("runtime", "precision"), f"{told} Set precision to auto or fp32, or reproducible to machine."


def labels(params: Params) -> Broken:
    known = params.task.labels
    for number, label in enumerate(known):
        place = ("task", "labels", number)
        if label in known[:number]:
            yield place, f'the label "{label}" is listed twice in task.labels. Remove one.'
        if wrong := wrong_label(label):
            yield place, wrong
    if len(known) == 1 and params.task.type == MULTI_CLASS:
        yield ("task", "labels"), f'task.labels holds only "{known[0]}"; a multi-class task needs two labels or more.'
    for label in params.task.descriptions:
        if label not in known:
            hint = did_you_mean(label, known)
            yield ("task", "descriptions", label), f'task.descriptions describes "{label}", which is not among task.labels.{hint}'


def shares(params: Params) -> Broken:
    both = params.split.valid + params.split.test
    if both >= 1:
        yield ("split", "valid"), f"split.valid + split.test is {both:g}; below 1 is needed, or the first round leaves nothing to train on."


def names(params: Params) -> Broken:
    for section in ("recipes", "further", "prompts"):
        for name in getattr(params, section):
            if name in RESERVED:
                yield (section, name), f'"{name}" in {section}: metrics/{name} belongs to the stage of that name. Choose another name.'
            if section == "further" and name in params.recipes:
                yield (section, name), f'the recipe "{name}" stands under `recipes` too. Remove one, or rename it.'
            if section == "prompts" and name in params.all_recipes:
                yield (section, name), f'"{name}" in prompts becomes the name of a labeler: use no name that a recipe has.'
    for name in params.bases:
        if name in ENCODERS:
            yield ("bases", name), f'the name "{name}" in bases is that of an encoder that a stage makes. Choose another name.'


def translators(params: Params) -> Broken:
    folders = params.unlabelled.translators
    if params.unlabelled.augmentation == "back-translation" and len(folders) != 2:
        told = f"unlabelled.augmentation is back-translation, which needs two models; unlabelled.translators names {len(folders)}."
        yield ("unlabelled", "augmentation"), f"{told} Name two model folders there: into another language, and back."


def encoders(params: Params) -> Broken:
    known = [*ENCODERS, *params.bases]
    for name, recipe in params.all_recipes.items():
        if recipe.encoder not in known:
            told = f'the encoder of the recipe {name} is "{recipe.encoder}".{did_you_mean(recipe.encoder, known)}'
            place = ("recipes" if name in params.recipes else "further", name, "encoder")
            yield place, f"{told} Expected one of: {', '.join(known)} (params.yaml: bases names further models)."


def language_models(params: Params) -> Broken:
    for name, model in params.language_models.items():
        if bool(model.source) == bool(model.server) or bool(model.server) != bool(model.model):
            told = f"language_models.{name} needs either `source` (a model for this machine, written as model.base), or both"
            other = "`server` (such as http://localhost:8000/v1) and `model` (the name that the server knows it by)"
            yield ("language_models", name), f"{told} {other}."


def prompts(params: Params) -> Broken:
    known = params.language_models
    for name, prompt in params.prompts.items():
        if prompt.model not in known:
            told = f'prompts.{name}.model is "{prompt.model}".{did_you_mean(prompt.model, known)}'
            yield ("prompts", name, "model"), f"{told} Expected one of language_models: {', '.join(known) or 'none is there yet'}."
        elif prompt.form == "json" and known[prompt.model].source:
            why = "a model on this machine gives the probability of every label itself"
            yield ("prompts", name, "form"), f'prompts.{name}.form is "json", which only servers know: {why}. Remove the key.'
        if prompt.samples > 1 and prompt.form != "json":
            yield ("prompts", name, "samples"), f"prompts.{name}.samples is for `form: json`: scores come from one question."


def deploy(params: Params) -> Broken:
    known = list(params.labelers)
    if params.deploy not in known:
        hint = did_you_mean(params.deploy, known)
        yield ("deploy",), f'deploy is "{params.deploy}", which is no labeler.{hint} Expected one of: {", ".join(known)}.'


def keys(params: Params) -> Broken:
    given: dict[str, str] = {}
    for label, key in params.serve.keys.items():
        place, told = ("serve", "keys", label), f'serve.keys gives "{label}" the key "{key}"'
        if label not in params.task.labels:
            yield place, f'serve.keys names "{label}", which is not among task.labels.{did_you_mean(label, params.task.labels)}'
        elif len(key) != 1 or not key.isprintable() or key.isspace():
            yield place, f"{told}; expected one character, such as 1 or a. Quote digits, or YAML reads a number."
        elif key.lower() in PAGE_KEYS:
            yield place, f"{told}, which the page needs for: {PAGE_KEYS[key.lower()]}. Choose another key."
        elif key.lower() in given:
            yield place, f'{told}, which "{given[key.lower()]}" has already. Choose another key.'
        given.setdefault(key.lower(), label)
