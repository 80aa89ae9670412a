"""Who is reliable, and what that says of a text on which people disagree: Dawid and Skene 1979, "Maximum Likelihood Estimation of
Observer Error-Rates Using the EM Algorithm". Arrays in, arrays out.

Every person has a table of how often they give which label to a text of which true label. The tables and the true labels are
found together, in turn, from the answers alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TURNS, TOLERANCE = 100, 1e-6
PRIOR = 1.0  # answers per true label by which everybody's table begins as that of all people: few answers say little of a person


@dataclass(frozen=True)
class Reliability:
    """shares : of the true labels, (k,); tables : (n_people, k, k), row the true label, column the answer; all : that of all people, (k, k)

    truth : of the texts that it was learnt from, probabilities of shape (n_texts, k)
    """

    shares: np.ndarray
    tables: np.ndarray
    all: np.ndarray
    truth: np.ndarray

    @property
    def of_people(self) -> np.ndarray:
        """The probability that a person gives the true label, float array of shape (n_people,)."""
        return np.einsum("pkk,k->p", self.tables, self.shares)

    def posterior(self, answers: Sequence[tuple[int, int]]) -> np.ndarray:
        """Returns the probability of each label of one text, (k,). answers : (person, label); person -1 is one of whom nothing is known"""
        logs = np.log(np.maximum(self.shares, 1e-300))
        for person, label in answers:
            table = self.all if person < 0 else self.tables[person]
            logs = logs + np.log(np.maximum(table[:, label], 1e-300))
        found = np.exp(logs - logs.max())
        return found / found.sum()


def fit(texts: np.ndarray, people: np.ndarray, labels: np.ndarray, k: int, prior: float = PRIOR) -> Reliability:
    """Returns what the answers say of people and texts. It begins at the shares of the votes, so the same answers give the same bytes.

    texts, people, labels : int arrays of shape (n_answers,), numbered from 0; k : how many labels there are
    prior : see PRIOR; 0 is the method as published
    """
    n_texts, n_people = int(texts.max()) + 1, int(people.max()) + 1
    cells = (people * k + labels).astype(np.int64)
    truth = np.zeros((n_texts, k))
    np.add.at(truth, (texts, labels), 1.0)
    truth /= truth.sum(axis=1, keepdims=True)
    before = None
    for _ in range(TURNS):
        shares = truth.mean(axis=0)
        counts = np.stack([np.bincount(cells, weights=truth[texts, true], minlength=n_people * k) for true in range(k)])
        counts = counts.reshape(k, n_people, k).transpose(1, 0, 2)
        together = _rows(counts.sum(axis=0))
        tables = _rows(counts + prior * together)
        logs = np.log(np.maximum(shares, 1e-300)) + np.zeros((n_texts, k))
        np.add.at(logs, texts, np.log(np.maximum(tables, 1e-300))[people, :, labels])
        truth = np.exp(logs - logs.max(axis=1, keepdims=True))
        truth /= truth.sum(axis=1, keepdims=True)
        if before is not None and np.abs(truth - before).max() < TOLERANCE:
            break
        before = truth
    return Reliability(shares, tables, together, truth)


def _rows(counts: np.ndarray) -> np.ndarray:
    """Returns the counts as shares of their row; a row without any is even."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1), 1 / counts.shape[-1])
