"""params.yaml as checked dataclasses: every knob has one name, one type and one range.

A key that is unknown, missing or of the wrong type is a UserError with its line in params.yaml.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from labelrounds.core.errors import UserError, at, did_you_mean
from labelrounds.core.task import MULTI_CLASS, MULTI_LABEL, NONE, SEPARATOR, Task

PATH = Path("params.yaml")
RESERVED = {"baseline"}  # metrics/baseline.json belongs to the baseline stage
ENCODERS = ("vanilla", "adapted")  # which the stages `base` and `adapt` make; `bases` names further ones
ZERO_SHOT = "zero-shot"
METHODS = ("supervised", "nearest", ZERO_SHOT, "setfit", "ust", "uda")


def knob(default: Any = MISSING, low: float | None = None, high: float | None = None, one_of: tuple[str, ...] = ()) -> Any:
    """A field with a closed range [low, high] or a list of allowed words."""
    metadata = {"low": low, "high": high, "one_of": one_of}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TaskSection:
    type: str = knob(one_of=(MULTI_CLASS, MULTI_LABEL))
    labels: tuple[str, ...] = ()
    descriptions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Runtime:
    threads: int = knob(low=1, high=1024)
    precision: str = knob(one_of=("auto", "fp32", "bf16"))
    checkpoint_seconds: float = knob(low=0)


@dataclass(frozen=True)
class Model:
    base: str
    max_length: int = knob(low=8, high=1_000_000)


@dataclass(frozen=True)
class Data:
    pool: str
    text_column: str


@dataclass(frozen=True)
class Split:
    holdout_rounds: tuple[str, ...]
    valid: float = knob(low=0, high=1)
    test: float = knob(low=0, high=1)
    salt: str = ""


@dataclass(frozen=True)
class Adapt:
    epochs: int = knob(low=0)
    learning_rate: float = knob(low=0, high=1)
    batch_size: int = knob(low=1)
    warmup: float = knob(low=0, high=1)
    mask_probability: float = knob(low=0.01, high=0.9)
    head_steps: int = knob(low=0)
    head_learning_rate: float = knob(low=0, high=1)
    valid: float = knob(low=0.001, high=0.5)


@dataclass(frozen=True)
class Lora:
    r: int = knob(low=1, high=4096)
    alpha: float = knob(low=0)
    dropout: float = knob(low=0, high=1)
    targets: tuple[str, ...] = ()
    four_bit: bool = False


@dataclass(frozen=True)
class Finetune:
    epochs: int = knob(low=1)
    patience: int = knob(low=1)
    learning_rate: float = knob(low=0, high=1)
    batch_size: int = knob(low=1)
    warmup: float = knob(low=0, high=1)
    weight_decay: float = knob(low=0)
    class_weights: str = knob(one_of=("auto", "balanced", "none"))
    min_steps: int = knob(0, low=0)
    lora: Lora | None = None


FROM_UNLABELLED = ("ust", "uda")  # methods that learn from texts without labels as well


@dataclass(frozen=True)
class Recipe:
    """finetune : None, or the section `finetune` with this recipe's own values in it."""

    encoder: str
    method: str = knob(one_of=METHODS)
    finetune: Finetune | None = None

    @property
    def needs_labels(self) -> bool:
        return self.method != ZERO_SHOT

    @property
    def needs_unlabelled(self) -> bool:
        return self.method in FROM_UNLABELLED


@dataclass(frozen=True)
class Unlabelled:
    size: int = knob(low=1)
    augmentation: str = knob(one_of=("tfidf", "mlm", "back-translation"))
    share: float = knob(low=0, high=1)
    translators: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ust:
    iterations: int = knob(low=1)
    sample: int = knob(low=1)
    passes: int = knob(low=2)
    per_label: int = knob(low=1)
    draw: str = knob(one_of=("easy", "hard"))


@dataclass(frozen=True)
class Uda:
    epochs: int = knob(low=1)
    batch_size: int = knob(low=1)
    weight: float = knob(low=0)
    annealing: str = knob(one_of=("none", "linear", "exp", "log"))
    confidence: float = knob(low=0, high=1)
    temperature: float = knob(low=0.01, high=1)
    guard: float = knob(low=0, high=1)


@dataclass(frozen=True)
class Setfit:
    steps: int = knob(low=1)
    batch_size: int = knob(low=1)
    learning_rate: float = knob(low=0, high=1)
    inverse_regularization: float = knob(low=1e-6, high=1e6)


@dataclass(frozen=True)
class Baseline:
    inverse_regularization: float = knob(low=1e-6, high=1e6)


@dataclass(frozen=True)
class Predict:
    batch_size: int = knob(low=1)
    shard_size: int = knob(low=1)
    precision: float = knob(low=0.5, high=0.999)
    risk: float = knob(low=0.0001, high=0.5)


STRATEGIES = ("random", "least-confidence", "margin", "entropy", "entropy-kmeans", "entropy-coreset")


@dataclass(frozen=True)
class Select:
    strategy: str = knob(one_of=STRATEGIES)
    size: int = knob(low=1)
    candidates: int = knob(low=1)


@dataclass(frozen=True)
class Agreement:
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stop:
    rounds: int = knob(low=1)
    gain: float = knob(low=0, high=1)
    kappa: float = knob(low=0, high=1)
    margin: float = knob(low=0, high=1)


@dataclass(frozen=True)
class Suspects:
    judge: str = knob(one_of=("none", "probe", "fine-tuned"))
    encoder: str = knob(one_of=("vanilla", "adapted"))
    folds: int = knob(low=2, high=100)
    size: int = knob(low=1)


@dataclass(frozen=True)
class Report:
    texts: bool


@dataclass(frozen=True)
class LearningCurve:
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    recipes: tuple[str, ...]
    against: str
    only: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class LanguageModel:
    """A model to ask: `source` for one on this machine, or `server` and `model`. price_… : per million tokens"""

    source: str = ""
    server: str = ""
    model: str = ""
    key: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    concurrency: int = knob(8, low=1, high=1000)
    requests_per_minute: float = knob(0.0, low=0)
    timeout: float = knob(60.0, low=0.01)
    attempts: int = knob(6, low=1, high=100)
    price_in: float = knob(0.0, low=0)
    price_out: float = knob(0.0, low=0)


@dataclass(frozen=True)
class Prompt:
    model: str
    prompt: str
    form: str = knob("scores", one_of=("scores", "json"))
    examples: str = knob("none", one_of=("none", "fixed", "random", "nearest"))
    shots: int = knob(6, low=1, high=1000)
    samples: int = knob(1, low=1, high=1000)
    calibrate: int = knob(300, low=0)
    max_characters: int = knob(2000, low=1)

    @property
    def needs_labels(self) -> bool:
        return self.examples in ("random", "nearest")


@dataclass(frozen=True)
class Params:
    task: TaskSection
    seed: int = knob(low=0, high=2**31 - 1)
    runtime: Runtime
    model: Model
    data: Data
    split: Split
    adapt: Adapt
    finetune: Finetune
    unlabelled: Unlabelled
    recipes: dict[str, Recipe]
    ust: Ust
    uda: Uda
    setfit: Setfit
    deploy: str
    baseline: Baseline
    predict: Predict
    select: Select
    agreement: Agreement
    stop: Stop
    suspects: Suspects
    report: Report
    learning_curve: LearningCurve
    further: dict[str, Recipe] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    language_models: dict[str, LanguageModel] = field(default_factory=dict)
    prompts: dict[str, Prompt] = field(default_factory=dict)

    @property
    def all_recipes(self) -> dict[str, Recipe]:
        """The recipes that every round trains, and those of studies."""
        return {**self.recipes, **self.further}

    def finetune_of(self, recipe: Recipe) -> Finetune:
        """Returns how a recipe's model is trained: by its own values where it has any."""
        return recipe.finetune or self.finetune

    def labelled_task(self) -> Task:
        """Returns the task; a UserError if no labels are named yet."""
        if not self.task.labels:
            raise UserError(
                f"{at(PATH)}: task.labels is empty: labelrounds does not know yet which labels there are. Write them there, "
                "such as `labels: [question, complaint, praise]`, then run the same command again."
            )
        return Task(self.task.type, self.task.labels)


def load(path: str | Path = PATH) -> Params:
    """Returns the checked parameters; every mistake is a UserError with its line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{at(path)}: no such file. Run this at the top of a labelrounds project (where dvc.yaml is).")
    try:
        # The same reader and YAML version (1.2) as DVC, so that both see the same values.
        tree = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        raise UserError(f"{at(path, mark.line + 1 if mark else None)}: not YAML: {error.problem}. Correct that line.") from None
    except (YAMLError, UnicodeDecodeError):
        raise UserError(f"{at(path)}: not UTF-8 text, or control characters stand in it. Save it as UTF-8.") from None
    _inherit(tree)
    params = _section(Params, tree, "", path, 1)
    _check(params, tree, path)
    return params


def named(parts: Mapping[str, Any], name: str, noun: str) -> Any:
    """Returns the part that params.yaml gives this name; UserError where it has none. noun : what such a part is called"""
    if name not in parts:
        raise UserError(f'there is no {noun} "{name}" in params.yaml.{did_you_mean(name, parts)} There are: {", ".join(parts) or "none"}.')
    return parts[name]


def _inherit(tree: Any) -> None:
    """Fills what a recipe's own `finetune` leaves out with the values of the section `finetune`."""
    if not isinstance(tree, dict) or not isinstance(tree.get("finetune"), dict):
        return  # the error about that comes from reading it
    for recipes in (tree.get("recipes"), tree.get("further")):
        for recipe in recipes.values() if isinstance(recipes, dict) else ():
            own = recipe.get("finetune") if isinstance(recipe, dict) else None
            if isinstance(own, dict):
                for key, value in tree["finetune"].items():
                    own.setdefault(key, value)


def _section(kind: type, tree: Any, name: str, path: Path, line: int) -> Any:
    if not isinstance(tree, dict):
        raise UserError(f"{at(path, line)}: {name or 'the file'} is {_shown(tree)}; expected a section of `key: value` lines.")
    dot = f"{name}." if name else ""
    hints = get_type_hints(kind)
    known = {entry.name: entry for entry in fields(kind)}
    for key in tree:
        if key not in known:
            raise UserError(f'{at(path, _line(tree, key))}: unknown key "{dot}{key}".{did_you_mean(str(key), known)} Known here: {", ".join(known)}.')
    values = {}
    for key, entry in known.items():
        if key not in tree:
            if entry.default is not MISSING or entry.default_factory is not MISSING:
                continue
            raise UserError(f'{at(path, line)}: the key "{dot}{key}" is missing. Expected {_expected(hints[key], entry.metadata)}.')
        values[key] = _value(hints[key], entry.metadata, tree[key], f"{dot}{key}", path, _line(tree, key))
    return kind(**values)


def _value(kind: Any, limits: Any, found: Any, name: str, path: Path, line: int) -> Any:
    if get_origin(kind) is UnionType:  # `X | None`
        if found is None:
            return None
        kind = get_args(kind)[0]
    if is_dataclass(kind):
        return _section(kind, found, name, path, line)
    if kind is Any:
        return _plain(found)
    wrong = UserError(f"{at(path, line)}: {name} is {_shown(found)}; expected {_expected(kind, limits)}.")
    origin = get_origin(kind)
    if origin is dict:
        if not isinstance(found, dict):
            raise wrong
        return {str(key): _value(get_args(kind)[1], {}, found[key], f"{name}.{key}", path, _line(found, key)) for key in found}
    if origin is tuple:
        if not isinstance(found, list):
            raise wrong
        inner = get_args(kind)[0]
        for number, item in enumerate(found):
            where = at(path, _line(found, number, line))
            if inner is int and (not isinstance(item, int) or isinstance(item, bool) or item < 0):
                raise UserError(f"{where}: {name} holds {_shown(item)}; expected whole numbers, 0 or more.")
            if inner is str and not isinstance(item, str):
                raise UserError(f'{where}: {name} holds {_shown(item)}; expected text. Put it in quotes: "{_typed(item)}".')
        return tuple(inner(item) for item in found)
    if kind is float and isinstance(found, int) and not isinstance(found, bool):
        found = float(found)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise wrong
    low, high, one_of = limits.get("low"), limits.get("high"), limits.get("one_of")
    if (low is not None and not found >= low) or (high is not None and not found <= high):
        raise wrong
    if one_of and found not in one_of:
        raise UserError(f'{at(path, line)}: {name} is "{found}".{did_you_mean(found, one_of)} Expected one of: {", ".join(one_of)}.')
    return kind(found)


def _plain(found: Any) -> Any:
    """Returns what was read as plain Python, as JSON knows it; for settings that are passed on and not ours to check."""
    if isinstance(found, dict):
        return {str(key): _plain(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_plain(value) for value in found]
    for kind in (bool, int, float, str):
        if isinstance(found, kind):
            return kind(found)
    return found


def _check(params: Params, tree: Any, path: Path) -> None:
    """The rules that span several keys."""
    labels, line = params.task.labels, _line(tree["task"], "labels")
    for number, label in enumerate(labels):
        where = at(path, _line(tree["task"]["labels"], number, line))
        if label in labels[:number]:
            raise UserError(f'{where}: the label "{label}" is listed twice in task.labels. Remove one.')
        if label != label.strip() or not label or SEPARATOR in label or "\n" in label or label == NONE:
            raise UserError(
                f'{where}: "{label}" cannot be a label: it must not be empty, "{NONE}", hold "{SEPARATOR}" or a line break, or begin or end with a blank.'
            )
    if len(labels) == 1 and params.task.type == MULTI_CLASS:
        raise UserError(f'{at(path, line)}: task.labels holds only "{labels[0]}"; a multi-class task needs two labels or more.')
    if params.split.valid + params.split.test >= 1:
        where = at(path, _line(tree["split"], "valid"))
        raise UserError(
            f"{where}: split.valid + split.test is {params.split.valid + params.split.test:g}; below 1 is needed, or the first round leaves nothing to train on."
        )
    for section, name in [*(("recipes", name) for name in params.recipes), *(("further", name) for name in params.further)]:
        where = at(path, _line(tree[section], name))
        if section == "further" and name in params.recipes:
            raise UserError(f'{where}: the recipe "{name}" stands under `recipes` too. Remove one, or rename it.')
        if name in RESERVED:
            raise UserError(f'{where}: a recipe may not be named "{name}": that name belongs to the stage of the same name. Choose another.')
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise UserError(f'{where}: the recipe name "{name}" becomes a folder and a file name: use letters, digits, "-" and "_".')
    translators = params.unlabelled.translators
    if params.unlabelled.augmentation == "back-translation" and len(translators) != 2:
        raise UserError(
            f"{at(path, _line(tree['unlabelled'], 'augmentation'))}: unlabelled.augmentation is back-translation, which needs two models; "
            f"unlabelled.translators names {len(translators)}. Name two model folders there: into another language, and back."
        )
    for label in params.task.descriptions:
        if label not in labels:
            where = at(path, _line(tree["task"]["descriptions"], label))
            raise UserError(f'{where}: task.descriptions describes "{label}", which is not among task.labels.{did_you_mean(label, labels)}')
    for name in params.bases:
        if name in ENCODERS or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            where = at(path, _line(tree["bases"], name))
            raise UserError(
                f'{where}: the name "{name}" in bases becomes the folder of a model: use letters, digits, "-" and "_", and neither "vanilla" nor "adapted".'
            )
    encoders = [*ENCODERS, *params.bases]
    for name, recipe in params.all_recipes.items():
        if recipe.encoder not in encoders:
            section = tree["recipes" if name in params.recipes else "further"]
            where = at(path, _line(section[name], "encoder", _line(section, name)))
            raise UserError(
                f'{where}: the encoder of the recipe {name} is "{recipe.encoder}".{did_you_mean(recipe.encoder, encoders)} Expected one of: '
                f"{', '.join(encoders)} (params.yaml: bases names further models)."
            )
    _check_prompts(params, tree, path)
    known = [*params.all_recipes, *params.prompts, *sorted(RESERVED)]
    if params.deploy not in known:
        raise UserError(
            f'{at(path, _line(tree, "deploy"))}: deploy is "{params.deploy}", which is no labeler.{did_you_mean(params.deploy, known)} Expected one of: {", ".join(known)}.'
        )


def _check_prompts(params: Params, tree: Any, path: Path) -> None:
    """The rules of language models and of the prompts that ask them."""
    for name, model in params.language_models.items():
        where = at(path, _line(tree["language_models"], name))
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise UserError(f'{where}: the name "{name}" in language_models becomes a folder: use letters, digits, "-" and "_".')
        if bool(model.source) == bool(model.server) or bool(model.server) != bool(model.model):
            raise UserError(
                f"{where}: language_models.{name} needs either `source` (a model for this machine, written as model.base), "
                "or both `server` (such as http://localhost:8000/v1) and `model` (the name that the server knows it by)."
            )
    for name, prompt in params.prompts.items():
        where = at(path, _line(tree["prompts"], name))
        if name in RESERVED or name in params.all_recipes or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise UserError(
                f'{where}: "{name}" in prompts becomes the name of a labeler: use letters, digits, "-" and "_", and no name that a recipe or the baseline has.'
            )
        if prompt.model not in params.language_models:
            known = list(params.language_models)
            raise UserError(
                f'{at(path, _line(tree["prompts"][name], "model"))}: prompts.{name}.model is "{prompt.model}".{did_you_mean(prompt.model, known)} '
                f"Expected one of language_models: {', '.join(known) or 'none is there yet'}."
            )
        if prompt.form == "json" and params.language_models[prompt.model].source:
            raise UserError(
                f'{at(path, _line(tree["prompts"][name], "form"))}: prompts.{name}.form is "json", which only servers know: '
                "a model on this machine gives the probability of every label itself. Remove the key."
            )
        if prompt.samples > 1 and prompt.form != "json":
            raise UserError(f"{where}: prompts.{name}.samples is for `form: json`: scores come from one question.")


def _line(tree: Any, key: Any, otherwise: int = 1) -> int:
    try:
        return tree.lc.data[key][0] + 1
    except (AttributeError, KeyError, IndexError, TypeError):
        return otherwise


def _shown(found: Any) -> str:
    if found is None:
        return "empty"
    if isinstance(found, dict):
        return "a section"
    if isinstance(found, list):
        return "a list"
    return f'the text "{found}"' if isinstance(found, str) else f"the {type(found).__name__.removeprefix('Scalar').lower()} {found}"


def _typed(item: Any) -> str:
    """Returns a bare word or number as somebody typed it: 01 is read as 1, but names the round "01"."""
    if isinstance(item, bool):
        return str(item).lower()
    return str(item).zfill(getattr(item, "_width", None) or 0)


def _expected(kind: Any, limits: Any) -> str:
    if is_dataclass(kind) or get_origin(kind) is dict:
        return "a section of `key: value` lines"
    if get_origin(kind) is tuple:
        return "a list of texts such as [one, two]" if get_args(kind)[0] is str else "a list of whole numbers such as [50, 100]"
    if limits.get("one_of"):
        return f"one of: {', '.join(limits['one_of'])}"
    word = {bool: "true or false", int: "a whole number", float: "a number", str: "text (in quotes if it looks like a number)"}[kind]
    low, high = limits.get("low"), limits.get("high")
    if low is not None and high is not None:
        return f"{word} from {low:g} to {high:g}"
    return word if low is None else f"{word}, {low:g} or more"


def line_of(*keys: str, path: str | Path = PATH) -> int:
    """Returns the line of a key in params.yaml, for errors about its value that only a stage can see."""
    from ruamel.yaml import YAML

    tree = YAML(typ="rt").load(Path(path).read_text(encoding="utf-8"))
    for key in keys[:-1]:
        tree = tree[key]
    return _line(tree, keys[-1])
