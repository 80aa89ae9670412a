"""The sections of params.yaml: every knob has one name, one type and one range. A method describes its own section beside its code."""

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, PrivateAttr

from labelrounds.core.errors import UserError, at
from labelrounds.core.params.mistakes import checked
from labelrounds.core.params.source import PATH, Source
from labelrounds.core.params.types import Amount, Count, Method, Name, Numbers, Section, Share, Strategy, Texts
from labelrounds.core.task import Task


class TaskSection(Section):
    type: Literal["multi-class", "multi-label"]
    labels: Texts = ()
    descriptions: dict[str, str] = Field(default_factory=dict)


class Runtime(Section):
    threads: int = Field(ge=1, le=1024)
    precision: Literal["auto", "fp32", "bf16"]
    reproducible: Literal["machine", "portable"] = "machine"
    checkpoint_seconds: Amount

    @property
    def arithmetic(self) -> str:
        """The precision, or `portable`, which has one of its own."""
        return self.precision if self.reproducible == "machine" else self.reproducible


class Model(Section):
    base: str
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    max_length: int = Field(ge=8, le=1_000_000)


class Data(Section):
    pool: str
    text_column: str


class Split(Section):
    holdout_rounds: Texts
    valid: Share
    test: Share
    salt: str = ""
    near_duplicates: Literal["off", "loose", "strict"] = "loose"
    consensus: Literal["majority", "dawid-skene"] = "majority"


class Corpus(Section):
    pool_until: int = Field(ge=0)


class Adapt(Section):
    epochs: int = Field(ge=0)
    learning_rate: Share
    batch_size: Count
    warmup: Share
    mask_probability: float = Field(ge=0.01, le=0.9)
    head_steps: int = Field(ge=0)
    head_learning_rate: Share
    valid: float = Field(ge=0.001, le=0.5)


class Lora(Section):
    r: int = Field(ge=1, le=4096)
    alpha: Amount
    dropout: Share
    targets: Texts = ()
    four_bit: bool = False


class Finetune(Section):
    epochs: Count
    patience: Count
    learning_rate: Share
    batch_size: Count
    warmup: Share
    weight_decay: Amount
    class_weights: Literal["auto", "balanced", "none"]
    min_steps: int = Field(default=0, ge=0)
    head: Literal["auto", "random", "means", "probe"] = "auto"
    head_learning_rate: Share | None = None
    layer_decay: float = Field(default=1.0, ge=0.1, le=1)
    lora: Lora | None = None


class Recipe(Section):
    """finetune : None, or the section `finetune` with this recipe's own values in it."""

    encoder: str
    method: Method
    finetune: Finetune | None = None


class Unlabelled(Section):
    size: Count
    augmentation: Literal["tfidf", "mlm", "back-translation"]
    share: Share
    translators: Texts = ()


class Predict(Section):
    batch_size: Count
    shard_size: Count
    precision: float = Field(ge=0.5, le=0.999)
    risk: float = Field(ge=0.0001, le=0.5)


class Select(Section):
    strategy: Strategy
    size: Count
    candidates: Count
    map: int = Field(default=1000, ge=0, le=2000)


class Agreement(Section):
    leave_out: Texts = ()


class Stop(Section):
    rounds: Count
    gain: Share
    kappa: Share
    margin: Share


class Suspects(Section):
    judge: Literal["none", "probe", "fine-tuned"]
    encoder: Literal["vanilla", "adapted"]
    folds: int = Field(ge=2, le=100)
    size: Count


class Report(Section):
    texts: bool


class Serve(Section):
    """keys : {label: the key that gives it}; labels without one get the next free key"""

    keys: dict[str, str] = Field(default_factory=dict)
    overlap: Share = 0.1
    shuffle: bool = False


class LearningCurve(Section):
    sizes: Numbers
    seeds: Numbers
    recipes: Texts
    against: str
    only: dict[str, Numbers] = Field(default_factory=dict)


class LanguageModel(Section):
    """A model to ask: `source` for one on this machine, or `server` and `model`. price_… : per million tokens"""

    source: str = ""
    server: str = ""
    model: str = ""
    key: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    concurrency: int = Field(default=8, ge=1, le=1000)
    requests_per_minute: Amount = 0.0
    timeout: float = Field(default=60.0, ge=0.01)
    attempts: int = Field(default=6, ge=1, le=100)
    price_in: Amount = 0.0
    price_out: Amount = 0.0


class Prompt(Section):
    model: str
    prompt: str
    form: Literal["scores", "json"] = "scores"
    examples: Literal["none", "fixed", "random", "nearest"] = "none"
    shots: int = Field(default=6, ge=1, le=1000)
    samples: int = Field(default=1, ge=1, le=1000)
    calibrate: int = Field(default=300, ge=0)
    max_characters: Count = 2000

    @property
    def needs_labels(self) -> bool:
        return self.examples in ("random", "nearest")


Own = TypeVar("Own", bound=Section)


class Params(Section):
    task: TaskSection
    seed: int = Field(ge=0, le=2**31 - 1)
    runtime: Runtime
    model: Model
    data: Data
    split: Split
    corpus: Corpus
    adapt: Adapt
    finetune: Finetune
    unlabelled: Unlabelled
    recipes: dict[Name, Recipe]
    deploy: str
    predict: Predict
    select: Select
    agreement: Agreement
    stop: Stop
    suspects: Suspects
    report: Report
    learning_curve: LearningCurve
    serve: Serve = Field(default_factory=Serve)
    further: dict[Name, Recipe] = Field(default_factory=dict)
    bases: dict[Name, str] = Field(default_factory=dict)
    language_models: dict[Name, LanguageModel] = Field(default_factory=dict)
    prompts: dict[Name, Prompt] = Field(default_factory=dict)
    _source: Source = PrivateAttr()
    _used: set[str] = PrivateAttr(default_factory=set)

    def __getattribute__(self, name: str) -> Any:
        """Notes which sections are in use, so that a stage can tell at its end whether one of these has changed."""
        if name in SECTIONS and (private := super().__getattribute__("__pydantic_private__")):
            private["_used"].add(name)
        return super().__getattribute__(name)

    @property
    def all_recipes(self) -> dict[str, Recipe]:
        """The recipes that every round trains, and the further ones."""
        return {**self.recipes, **self.further}

    @property
    def labelers(self) -> dict[str, Recipe | Prompt]:
        """Every labeler there may be, by name: those that each round trains, the further ones, and the prompts."""
        return {**self.recipes, **self.further, **self.prompts}

    def section(self, name: str, kind: type[Own]) -> Own:
        """Returns the section of a method, which the method's own model `kind` describes; a mistake in it is a UserError with its line."""
        if name not in self._source.value:
            raise UserError(f"{at(PATH)}: there is no section `{name}`, which the method {name} reads. Add it: {name}: {{}} or with its own keys.")
        self._used.add(name)
        return checked(kind, self._source.value[name], self._source, name)

    def said(self, name: str) -> Any:
        """Returns what a section holds, to compare; that of a method as it was typed."""
        return getattr(self, name) if name in SECTIONS else self._source.value.get(name)

    def typed_as(self, path: Path) -> bool:
        """Says whether a file still is, letter by letter, the one that these parameters were read from."""
        try:
            return path.read_text(encoding="utf-8") == self._source.text
        except (OSError, UnicodeDecodeError):
            return False

    def line_of(self, name: str) -> int:
        """Returns the line of a section."""
        return self._source.line(name)

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


SECTIONS = frozenset(Params.model_fields)
