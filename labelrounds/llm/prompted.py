"""The prompted labeler: a language model that is asked, on this machine or behind a server.

Its folder holds all that its answers follow from: the prompt, the examples, the model's name and fingerprint, the
calibration, and the responses themselves. Texts whose responses are kept are labelled without the model.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
from tqdm import tqdm

from labelrounds.core import files, params, paths
from labelrounds.core.errors import UserError, at
from labelrounds.labelers import contract
from labelrounds.llm import answers, prompt, responses, server, shots
from labelrounds.llm.local import LocalModel
from labelrounds.llm.prompt import Example, Prompt, Question
from labelrounds.llm.responses import Kept, Response
from labelrounds.llm.vectors import Vectors
from labelrounds.models.runtime import Machine

LIBRARIES = ("numpy",)
LEAST = 1e-9  # a probability that a model calls zero; its logarithm would be none
SETTINGS, EXAMPLES, VECTORS, RESPONSES, OUTSIDE = "settings.json", "examples.json", "vectors.safetensors", "responses.jsonl", "outside.csv"


@dataclass(frozen=True)
class Settings:
    """What the answers follow from, next to prompt and examples.

    model : the name in language_models; identity : the weights' fingerprint, or the name that a server knows the model by
    mean : float array (…, n_answers), what the model answers on average over a sample of the pool; None: not calibrated
    """

    model: str
    identity: str
    local: bool
    parameters: dict[str, Any]
    form: str
    examples: str
    shots: int
    samples: int
    max_characters: int
    precision: str
    seed: int
    encoder: str
    mean: list[Any] | None = None


@dataclass
class Asked:
    """One request: the key that its response is kept under, what is asked, and what a server is sent."""

    key: str
    question: Question
    body: server.Body | None


@dataclass
class PromptedLabeler:
    """Questions to a language model, and what its answers mean."""

    card: contract.Card
    fingerprint: str
    settings: Settings
    prompt: Prompt
    examples: tuple[Example, ...]
    vectors: np.ndarray | None
    machine: Machine | Callable[[], Machine]
    kept: Kept = field(default_factory=lambda: Kept(whole=responses.is_whole))
    language_models: Mapping[str, params.LanguageModel] = field(default_factory=dict)
    _near: dict[str, tuple[Example, ...]] = field(default_factory=dict, repr=False)

    def scores(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns float32 scores of shape (n_texts, n_labels); as unsure as can be for an answer outside the labels."""
        return contract.probabilities(self.logits(texts, batch_size, progress), self.card)

    def logits(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns the logarithms of what was answered, or log-odds per label for multi-label: float32 of shape (n_texts, n_labels)."""
        found = np.asarray([self._logits(given) for given in self.responses(texts)], dtype=np.float32)
        if progress:
            progress(len(texts))
        return found.reshape(len(texts), len(self.card.labels))

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        """Returns the mean hidden states of the base encoder: a server gives no vectors. One text at a time, and kept, as its answers."""
        return self._vectors.of(texts)

    def responses(self, texts: list[str]) -> list[list[Response]]:
        """Returns the responses about each text, in the order of its questions; asks those that are not kept."""
        return self.answered(self.requests(texts))

    def answered(self, asked: list[list[Asked]]) -> list[list[Response]]:
        """Returns the responses to requests, text by text; asks those that are not kept.

        A UserError if some failed in the end; everything that was answered is kept by then.
        """
        wanted = {request.key: request for row in asked for request in row}
        found = self.kept.find(wanted)
        missing = {key: request for key, request in wanted.items() if key not in found}
        if missing:
            rows = [row for row in asked if any(request.key in missing for request in row)]
            self._ask(rows, missing, len(wanted))
            found |= self.kept.find(missing)
        return [[found[request.key] for request in row] for row in asked]

    def requests(self, texts: list[str]) -> list[list[Asked]]:
        """Returns what is asked about each text."""
        shown = self._shown(texts)
        return [
            [request for question in self.prompt.questions(text, examples) for request in self._requests(question)]
            for text, examples in zip(texts, shown, strict=True)
        ]

    def read(self, given: list[Response]) -> np.ndarray | None:
        """Returns what the scored responses about one text say: probabilities of shape (n_labels,) or, for yes and no, (n_labels, 2).

        None for an answer outside the labels.
        """
        multi = self.prompt.task.multi_label
        rows = [answers.probabilities(response, (prompt.YES, prompt.NO) if multi else self.prompt.task.labels) for response in given]
        if any(row is None for row in rows):
            return None
        return np.asarray(rows) if multi else rows[0]

    def outside(self, given: list[Response]) -> bool:
        """Says whether an answer about a text was none of the labels."""
        if self.settings.form == prompt.JSON:
            return any(answers.voted(response, self.prompt.task) is None for response in given)
        return self.read(given) is None

    def _logits(self, given: list[Response]) -> np.ndarray:
        task = self.prompt.task
        if self.settings.form == prompt.JSON:
            scores = answers.votes([answers.voted(response, task) for response in given], task)
            known = any(answers.voted(response, task) is not None for response in given)
        else:
            found, known = self.read(given), True
            if found is None:
                known = False
            else:
                mean = None if self.settings.mean is None else np.asarray(self.settings.mean)
                scores = answers.calibrated(found, mean)
        if not known:
            # Scores of one half or 1/k after the card's own calibration: no other answer is as unsure.
            slope, shift = np.asarray(self.card.platt or [[1.0, 0.0]] * len(task.labels)).T
            return -shift / slope if task.multi_label else np.zeros(len(task.labels))
        scores = np.clip(scores, LEAST, 1.0)
        if not task.multi_label:
            return np.log(scores)
        yes, no = (scores, np.clip(1 - scores, LEAST, 1.0)) if self.settings.form == prompt.JSON else scores.T
        return np.log(yes) - np.log(no)

    def _shown(self, texts: list[str]) -> list[tuple[Example, ...]]:
        if self.settings.examples != shots.NEAREST or not self.examples:
            return [self.examples] * len(texts)
        if len(self._near) > 10_000:  # memory must not grow with the pool
            self._near = {}
        new = [text for text in dict.fromkeys(texts) if text not in self._near]
        if new:
            vectors = cast(np.ndarray, self.vectors)  # there before anything is asked: nearest examples are kept with theirs
            near = shots.nearest(new, self.embed(new, 1), self.examples, vectors, self.settings.shots)
            self._near |= dict(zip(new, near, strict=True))
        return [self._near[text] for text in texts]

    def _requests(self, question: Question) -> list[Asked]:
        settings = self.settings
        if settings.local:
            request = {"model": settings.identity, "messages": question.messages, "answers": question.answers, "precision": settings.precision}
            return [Asked(responses.key_of(request), question, None)]
        seeds = range(settings.seed, settings.seed + settings.samples) if settings.samples > 1 else [None]
        bodies = [server.body_of(question, self.prompt, settings.identity, settings.parameters, seed) for seed in seeds]
        return [Asked(responses.key_of(body), question, body) for body in bodies]

    def _ask(self, rows: list[list[Asked]], missing: dict[str, Asked], total: int) -> None:
        """Asks what is missing and keeps what comes; prints how much that is before, and how much it was after."""
        costs = self.language_models.get(self.settings.model, params.LanguageModel())
        used = [0, 0]
        name = self.settings.model

        def keep(key: str, response: Response) -> None:
            self.kept.keep({key: response})
            for side, tokens in enumerate(response["usage"]):
                used[side] += tokens

        failures: dict[str, str] = {}
        bodies = {key: request.body for key, request in missing.items() if request.body is not None}  # a model on this machine is sent none
        if self.settings.local:
            expected = sum(len(self._local.tokens(request.question)) for request in missing.values()), 0
        else:
            sizes = [server.tokens_of(body) for body in bodies.values()]
            expected = sum(size[0] for size in sizes), sum(size[1] for size in sizes)
        about = "" if self.settings.local else "about "
        click.echo(
            f"{name}: {len(missing)} requests ({total - len(missing)} more are kept already): {about}{expected[0]:,} tokens to read, "
            f"at most {expected[1]:,} to write{_price(expected, costs)}."
        )
        with tqdm(
            total=len(rows) if self.settings.local else len(missing),
            desc=f"ask {name}",
            unit=" texts" if self.settings.local else "",
            mininterval=1.0,
        ) as bar:
            if self.settings.local:
                asked = [[request.question for request in row] for row in rows]
                self._local.ask(asked, lambda row, place, response: keep(rows[row][place].key, response), bar.update)
            else:
                failures = server.Server(self.settings.model, costs).ask(bodies, keep, bar.update)
        click.echo(f"{name}: {len(missing) - len(failures)} answered: {used[0]:,} tokens read, {used[1]:,} written{_price(used, costs)}.")
        if failures:
            raise UserError(
                f"{name}: {len(failures)} of {len(missing)} requests failed; the first: {next(iter(failures.values()))}. "
                "All others are kept: run again, and only the failed ones are asked."
            )

    @cached_property
    def _local(self) -> LocalModel:
        folder = paths.LANGUAGE_MODELS / self.settings.model
        found = files.fingerprint(folder) if (folder / files.MANIFEST).is_file() else "not there"
        if found != self.settings.identity:
            raise UserError(
                f"{at(folder)}: {found}; this labeler asks the model with the fingerprint {self.settings.identity}. Run: dvc repro studies/llm/dvc.yaml"
            )
        machine = self.machine() if callable(self.machine) else self.machine
        return LocalModel(folder, self.prompt, self.examples if self.settings.examples != shots.NEAREST else (), machine)

    @cached_property
    def _vectors(self) -> Vectors:
        return Vectors(self.card, self.settings.encoder, self.settings.precision, self.kept, self.machine)


def _price(tokens: Any, costs: params.LanguageModel) -> str:
    if not (costs.price_in or costs.price_out):
        return ""
    return f"; price {(tokens[0] * costs.price_in + tokens[1] * costs.price_out) / 1e6:.4f} by price_in and price_out"


def save(labeler: PromptedLabeler, asked: dict[str, list[Asked]], given: dict[str, list[Response]], folder: Path) -> None:
    """Writes a sealed labeler folder in one step, with the responses `given` to what was `asked`: both {text's id: …}."""
    made = files.beside(folder)
    published = {request.key: response for identity in asked for request, response in zip(asked[identity], given[identity], strict=True)}
    outside = [
        (identity, " | ".join(answers.tidy(response.get("content")) or str(response.get("finish")) for response in found))
        for identity, found in given.items()
        if labeler.outside(found)
    ]
    files.write_json(made / SETTINGS, vars(labeler.settings))
    files.write_json(made / EXAMPLES, [vars(example) | {"labels": list(example.labels)} for example in labeler.examples])
    with files.atomic(made / prompt.FILE) as file:
        file.write(labeler.prompt.source)
    if labeler.vectors is not None:
        from safetensors.numpy import save_file

        save_file({"vectors": labeler.vectors}, str(made / VECTORS))
    responses.publish(made / RESPONSES, published)
    files.write_csv(made / OUTSIDE, ["id", "answer"], outside)
    contract.write_card(made, labeler.card, LIBRARIES)
    files.seal(made)
    files.publish(made, folder)


def load(folder: Path, card: contract.Card, machine: Any, settings: params.Params | None = None) -> PromptedLabeler:
    """Returns the labeler; neither a model nor a server is touched before something is asked that is not kept."""
    from safetensors.numpy import load_file

    asked = Settings(**json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
    source = (folder / prompt.FILE).read_text(encoding="utf-8")
    examples = json.loads((folder / EXAMPLES).read_text(encoding="utf-8"))
    return PromptedLabeler(
        card,
        files.fingerprint(folder),
        asked,
        prompt.Prompt(source, card.schema, asked.form, asked.max_characters, folder / prompt.FILE),
        tuple(prompt.Example(example["id"], example["text"], tuple(example["labels"])) for example in examples),
        load_file(str(folder / VECTORS))["vectors"] if (folder / VECTORS).is_file() else None,
        machine,
        Kept(published=responses.published(folder / RESPONSES), whole=responses.is_whole),
        settings.language_models if settings else {},
    )
