"""A vote in which reliable people weigh more: what `split.consensus: dawid-skene` puts in the place of the majority.

How reliable people are is learnt from the texts that several of them labelled up to the round that decides, never from a later one:
so a new round changes no label of an older one, and the test set stays.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from labelrounds.core.task import Task, indicator
from labelrounds.rounds import consensus, names
from labelrounds.rounds.record import ADJUDICATED, CORRECTION, Annotation


class Weighing:
    """The votes of one task's annotations."""

    def __init__(self, annotations: Sequence[Annotation], task: Task) -> None:
        self.task = task
        self.annotations = [one for one in annotations if not one.gone and one.source not in (CORRECTION, ADJUDICATED)]
        self.known: dict[int, tuple[dict[str, int], list[consensus.Reliability]]] = {}

    def winner(self, votes: Sequence[Annotation], number: int) -> tuple[str, ...] | None:
        """Returns what the votes on one text say in the round of this number, or None where it is even. A single vote stands."""
        if len({one.labels for one in votes}) == 1:
            return votes[0].labels
        people, models = self.learnt(number)
        if not models:
            return None
        who = [people.get(one.annotator, -1) for one in votes]
        said = indicator([one.labels for one in votes], self.task)
        if not self.task.multi_label:
            found = models[0].posterior(list(zip(who, said.argmax(axis=1).tolist(), strict=True)))
            best = np.flatnonzero(np.isclose(found, found.max(), rtol=1e-6))
            return (self.task.labels[best[0]],) if len(best) == 1 else None
        yes = [float(model.posterior(list(zip(who, said[:, label].tolist(), strict=True)))[1]) for label, model in enumerate(models)]
        if any(abs(one - 0.5) < 1e-6 for one in yes):
            return None
        return tuple(label for label, one in zip(self.task.labels, yes, strict=True) if one > 0.5)

    def learnt(self, number: int) -> tuple[dict[str, int], list[consensus.Reliability]]:
        """Returns ({person: number}, their reliability: one model, or for several labels per text one for each label)."""
        if number not in self.known:
            by_text: dict[str, dict[str, Annotation]] = defaultdict(dict)
            for place, one in enumerate(self.annotations):
                if names.number(one.round) <= number:
                    by_text[one.id][one.annotator or str(place)] = one
            several = [(text, one) for text, given in sorted(by_text.items()) if len(given) > 1 for one in given.values()]
            self.known[number] = model(several, self.task)
        return self.known[number]


def model(answers: Sequence[tuple[str, Annotation]], task: Task) -> tuple[dict[str, int], list[consensus.Reliability]]:
    """Returns what `Weighing.learnt` does, of (text, annotation) pairs; those without a name count as one person."""
    if not answers:
        return {}, []
    ids = {text: number for number, text in enumerate(sorted({text for text, _ in answers}))}
    people = {who: number for number, who in enumerate(sorted({one.annotator for _, one in answers}))}
    texts = np.asarray([ids[text] for text, _ in answers])
    who = np.asarray([people[one.annotator] for _, one in answers])
    said = indicator([one.labels for _, one in answers], task)
    if task.multi_label:
        return people, [consensus.fit(texts, who, said[:, label], 2) for label in range(len(task.labels))]
    return people, [consensus.fit(texts, who, said.argmax(axis=1), len(task.labels))]
