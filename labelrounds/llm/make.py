"""Makes a labeler from a prompt.

Three things are fitted: the examples (from training texts), the model's bias towards each label (from texts of the
corpus), the temperature (from validation). The model is asked about the test texts too, so that the labeler can be measured
later with neither the model nor the network.
"""

import hashlib
import heapq
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import examples, files, params, paths
from labelrounds.core.errors import UserError
from labelrounds.core.examples import Examples
from labelrounds.core.task import Task
from labelrounds.labelers import contract
from labelrounds.llm import prompt, prompted, server, shots
from labelrounds.llm.prompted import PromptedLabeler, Settings
from labelrounds.llm.responses import Response
from labelrounds.models import runtime
from labelrounds.pool import corpus
from labelrounds.pool.identity import near_duplicate_key


def make(name: str, settings: params.Params, train: Path, out: Path) -> str:
    """Makes the labeler folder `out` of a prompt whose examples come from the texts in `train`; says how it went."""
    asked, task = settings.prompts[name], settings.labelled_task()
    guideline = prompt.read(asked.prompt, task, asked.form, asked.max_characters)
    learnt, valid, test = (examples.read(path, task) for path in (train, paths.VALID, paths.TEST))
    chosen = choose_examples(asked, task, learnt, valid, test, settings.seed)
    labeler = PromptedLabeler(
        contract.new_card("prompted", task, train, len(chosen), settings.model.max_length, {"language_model": asked.model}),
        "",
        what_is_asked(asked, settings),
        guideline,
        tuple(chosen),
        None,
        lambda: runtime.of(settings),
        language_models=settings.language_models,
    )
    if asked.examples == shots.NEAREST and chosen:
        labeler.vectors = labeler.embed([example.text for example in chosen], 1)
    sample = draw(asked, settings)
    texts = dict(zip(valid.ids + test.ids, valid.texts + test.texts, strict=True)) | sample
    requests = dict(zip(texts, labeler.requests(list(texts.values())), strict=True))
    given = dict(zip(texts, labeler.answered(list(requests.values())), strict=True))
    labeler.settings = replace(labeler.settings, mean=mean_answer(labeler, [given[identity] for identity in sample]))
    card = contract.calibrated(labeler.card, labeler.logits(valid.texts, len(valid)), valid.gold)
    labeler.card = replace(card, training=card.training | told(labeler, given))
    prompted.save(labeler, requests, given, out)
    outside = labeler.card.training["outside"]
    return f"{len(texts)} texts, {len(sample)} of them to calibrate; {outside} answers outside the labels, which go to review"


def what_is_asked(asked: params.Prompt, settings: params.Params) -> Settings:
    """Returns what the answers follow from, with the fingerprints of the model and of the encoder."""
    folder = paths.LANGUAGE_MODELS / asked.model
    files.verify(folder)
    served = folder / server.SERVED
    described = json.loads(served.read_text(encoding="utf-8")) if served.is_file() else {}
    return Settings(
        model=asked.model,
        identity=described.get("model") or files.fingerprint(folder),
        local=not described,
        parameters=described.get("parameters", {}),
        form=asked.form,
        examples=asked.examples,
        shots=asked.shots,
        samples=asked.samples,
        max_characters=asked.max_characters,
        precision=settings.runtime.arithmetic,
        seed=settings.seed,
        encoder=files.fingerprint(paths.VANILLA),
    )


def choose_examples(asked: params.Prompt, task: Task, train: Examples, valid: Examples, test: Examples, seed: int) -> list[prompt.Example]:
    """Returns the examples to show; of `nearest`, all that may be shown. One that is held out is a UserError."""
    if asked.examples == shots.NONE:
        return []
    if asked.examples == shots.FIXED:
        held = {near_duplicate_key(text) for text in (*valid.texts, *test.texts)}
        chosen = prompt.fixed_examples(asked.prompt, task)
        for example in chosen:
            if near_duplicate_key(example.text) in held:
                raise UserError(
                    f'{asked.prompt}/{prompt.EXAMPLES}: "{example.text[:60]}" is a validation or test text, or nearly one: a model that is shown '
                    "its answer cannot be measured on it. Show another."
                )
        return chosen
    labelled = [
        prompt.Example(identity, text, tuple(label for label, yes in zip(task.labels, row, strict=True) if yes))
        for identity, text, row in zip(train.ids, train.texts, train.gold, strict=True)
    ]
    return shots.balanced(labelled, asked.shots, task, seed) if asked.examples == shots.RANDOM else labelled


def draw(asked: params.Prompt, settings: params.Params) -> dict[str, str]:
    """Returns {id: text} of the corpus' texts that calibrate: those of the smallest hashes, so that few change with the corpus."""
    if asked.form != prompt.SCORES or not asked.calibrate:
        return {}
    drawn = heapq.nsmallest(asked.calibrate, corpus.read(), key=lambda item: hashlib.sha256(f"{settings.seed} {item[0]}".encode()).digest())
    return dict(drawn)


def mean_answer(labeler: PromptedLabeler, given: list[list[Response]]) -> list[Any] | None:
    """Returns what the model answers on average, a list of shape (n_labels,) or (n_labels, 2); None without a sample: take its word."""
    found = [values for values in map(labeler.read, given) if values is not None]
    return np.mean(found, axis=0).round(9).tolist() if found else None


def told(labeler: PromptedLabeler, given: dict[str, list[Response]]) -> dict[str, int]:
    """Returns what the metrics say of the asking: texts, requests, tokens, and answers outside the labels."""
    used = np.asarray([response["usage"] for found in given.values() for response in found]).reshape(-1, 2).sum(axis=0)
    return {
        "texts": len(given),
        "outside": sum(map(labeler.outside, given.values())),
        "requests": sum(map(len, given.values())),
        "tokens_read": int(used[0]),
        "tokens_written": int(used[1]),
    }
