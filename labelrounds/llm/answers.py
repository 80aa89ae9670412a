"""What a language model's answers mean: numbers per label. Only arrays and dicts; nothing is asked here.

An answer is never free text that somebody interprets: either the probabilities of the task's labels are read from the
model, or the answer follows a JSON schema and is counted as a vote. What is neither is an answer outside the labels.
"""

import json
import re
from typing import Any

import numpy as np

from labelrounds.core.task import Task
from labelrounds.llm.responses import Response

MARKS = " \t\r\n.,:;!\"'`*()[]"  # what may stand around an answer without changing it


def probabilities(response: Response, answers: tuple[str, ...]) -> np.ndarray | None:
    """Returns the probability of each answer, float64 array of shape (n_answers,), that sums to 1; None for an answer outside.

    A local model gives the log-probability of every answer in full. A server gives, for each token that it wrote, the
    likeliest tokens there: their probability goes to the one answer that they begin. Where several answers begin
    alike, the tokens that follow on the path that the model took decide.
    """
    if "answers" in response:
        found = np.exp(np.asarray(response["answers"], dtype=np.float64))
    else:
        if said(response.get("content"), answers) is None:
            return None
        found = _walk(response["tokens"], answers)
    total = found.sum()
    return found / total if total > 0 and np.isfinite(total) else None


def said(content: str | None, answers: tuple[str, ...]) -> str | None:
    """Returns the one answer that `content` is in its first line, but for case, blanks and punctuation around it; or None."""
    lines = (content or "").strip().splitlines()
    index = _folded(answers)
    return index.get(_fold(lines[0].strip(MARKS), index)) if lines else None


def _folded(answers: tuple[str, ...]) -> dict[str, str]:
    folded = {answer.casefold(): answer for answer in answers}
    return folded if len(folded) == len(answers) else {answer: answer for answer in answers}


def _fold(text: str, index: dict[str, str]) -> str:
    return text if any(key != key.casefold() for key in index) else text.casefold()


def _walk(tokens: list[Any], answers: tuple[str, ...]) -> np.ndarray:
    """Returns the probability mass of each answer, from [[token, log-probability, [[token, log-probability], …]], …]."""
    index = _folded(answers)
    place = {key: number for number, key in enumerate(index)}
    found = np.zeros(len(answers))
    path, log = "", 0.0
    for token, own, likeliest in tokens:
        on = None
        for text, value in ({text: value for text, value in likeliest} | {token: own}).items():
            begun = _begun(path + text, index)
            if len(begun) == 1:
                found[place[begun[0]]] += np.exp(log + value)
            elif begun and text == token:
                on = path + text, log + own
        if on is None:
            return found
        path, log = on
    ended = place.get(_fold(path.strip(MARKS), index))
    if ended is not None:
        found[ended] += np.exp(log)
    return found


def _begun(text: str, index: dict[str, str]) -> list[str]:
    """Returns the answers that `text` may become, or the one that it is with more behind it."""
    text = _fold(text.lstrip(MARKS), index)
    started = [key for key in index if key.startswith(text)]
    if started:
        return started
    ended = [key for key in index if text.startswith(key) and not text[len(key)].isalnum()]
    return [max(ended, key=len)] if ended else []


def voted(response: Response, task: Task) -> tuple[str, ...] | None:
    """Returns the labels of an answer that follows the JSON schema; None for every other answer."""
    try:
        found = json.loads(response.get("content") or "")
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    if not task.multi_label:
        label = found.get("label")
        return (label,) if len(found) == 1 and isinstance(label, str) and label in task.index else None
    if set(found) != set(task.labels) or not all(isinstance(value, bool) for value in found.values()):
        return None
    return tuple(label for label in task.labels if found[label])


def votes(answers: list[tuple[str, ...] | None], task: Task) -> np.ndarray:
    """Returns float64 scores of shape (n_labels,) of the votes for one text.

    The rule of succession with one imagined vote, split evenly: a single answer gives no certainty, ten that
    agree give much. Answers outside the labels are no votes; without any vote all labels score alike.
    """
    cast = [answer for answer in answers if answer is not None]
    counts = np.asarray([sum(label in answer for answer in cast) for label in task.labels], dtype=np.float64)
    return (counts + (0.5 if task.multi_label else 1 / len(task.labels))) / (len(cast) + 1)


def calibrated(found: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
    """Returns probabilities of shape (…, n_answers) without the model's liking for certain answers.

    Each answer's probability is divided by its mean over a sample of the pool: batch calibration (Zhou et al. 2023,
    https://arxiv.org/abs/2309.17249). None: as they are.
    """
    if mean is None:
        return found
    weighed = found / np.maximum(mean, 1e-12)
    return weighed / weighed.sum(axis=-1, keepdims=True)


def tidy(content: str | None) -> str:
    """Returns an answer as one short line, for a table of those outside the labels."""
    return re.sub(r"\s+", " ", content or "").strip()[:200]
