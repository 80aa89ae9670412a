"""Reads the labeler's scores for the gate. Then marks each pool text `human`, `auto` or `review`."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from labelrounds.core import params
from labelrounds.core.task import indicator
from labelrounds.labelers import contract
from labelrounds.measures import gate
from labelrounds.pool import predictions, reader

HUMAN, AUTO, REVIEW = "human", "auto", "review"


@dataclass(frozen=True)
class Labelled:
    """A text of the pool and its labels; `confidence` is None where people gave them. decision : `human`, `auto` or `review`"""

    text: reader.PoolText
    labels: tuple[str, ...]
    confidence: float | None
    decision: str


def scored(probabilities: np.ndarray, card: contract.Card) -> gate.Scored:
    """Returns what the labeler says, from its float32 scores of shape (n, k)."""
    said = indicator(contract.decide(probabilities, card), card.schema)
    return gate.Scored(said, contract.confidence(probabilities, card), gate.strata(probabilities, said))


def read_pool(card: contract.Card, people: Container[str], wanted: Container[str]) -> tuple[gate.Scored, dict[str, np.ndarray]]:
    """Returns (what the labeler says of the texts without a person's label, {id: its scores} of the texts `wanted`).

    people : ids of the texts that people labelled. Of what is said, `said` stays empty: a pool may be large
    """
    known: dict[str, np.ndarray] = {}
    confidences, strata = [], []
    for ids, probabilities in predictions.scores(card.labels):
        known |= {identity: row for identity, row in zip(ids, probabilities, strict=True) if identity in wanted}
        mine = scored(probabilities[[identity not in people for identity in ids]], card)
        confidences.append(mine.confidence)
        strata.append(mine.stratum.astype(np.int32))
    return gate.Scored(np.empty((0, len(card.labels))), np.concatenate(confidences), np.concatenate(strata)), known


def audit_floors(
    audited: Mapping[str, tuple[str, ...]], known: Mapping[str, np.ndarray], card: contract.Card, precision: float, risk: float
) -> np.ndarray:
    """Returns the least confidence that audits leave to each label and to none, by what today's labeler says; float array of shape (k + 1,).

    audited : {id: what people say}; known : {id: scores of shape (k,)}
    """
    n_strata = len(card.labels) + 1
    if not audited:
        return np.full(n_strata, -np.inf)
    today = scored(np.stack([known[identity] for identity in audited]), card)
    gold = indicator(audited.values(), card.schema)
    return gate.floors(today.confidence, today.stratum, gate.right(today.said, gold), n_strata, precision, risk)


def labelled(card: contract.Card, people: Mapping[str, tuple[str, ...]], cuts: np.ndarray, data: params.Data) -> Iterator[Labelled]:
    """Yields every text of the pool with people's labels where there are any, otherwise with the labeler's.

    people : {id: labels}; cuts : the least confidence that is `auto`, float array of shape (k + 1,)
    """
    stream = tqdm(reader.stream(data.pool, data.text_column), desc="write", unit=" texts", unit_scale=True, mininterval=1.0, delay=2)
    for text, (labels, confidence, passes) in zip(stream, _said_of_pool(card, cuts), strict=True):
        if text.id in people:
            yield Labelled(text, people[text.id], None, HUMAN)
        else:
            yield Labelled(text, labels, confidence, AUTO if passes else REVIEW)


def _said_of_pool(card: contract.Card, cuts: np.ndarray) -> Iterator[tuple[tuple[str, ...], float, bool]]:
    for _, probabilities in predictions.scores(card.labels):
        labels, found = contract.decide(probabilities, card), scored(probabilities, card)
        yield from zip(labels, found.confidence, found.confidence >= cuts[found.stratum], strict=True)
