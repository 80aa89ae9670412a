"""Models that judge labels which they have not seen: each learns from all folds of the training texts but one, and judges that one."""

import shutil
from pathlib import Path

import numpy as np

from labelrounds.core import files, paths
from labelrounds.core.examples import Examples
from labelrounds.core.params import Params
from labelrounds.labelers import contract, transformer
from labelrounds.labelers import vectors as embedding
from labelrounds.measures import label_errors
from labelrounds.methods import classifier
from labelrounds.models import base_models, pooling, runtime
from labelrounds.pool.identity import near_duplicate_key


def out_of_fold(train: Examples, valid: Examples, base: Path, settings: Params, folder: Path) -> np.ndarray:
    """Returns float32 probabilities of shape (n, n_labels) for the training texts, each by a model that has not seen it.

    By a probe on the vectors of the encoder in `base`, or by that encoder fine-tuned for every fold (`suspects.judge`).
    folder : where finished folds and checkpoints stand; a second call with the same arguments goes on from there
    """
    task, suspects = settings.labelled_task(), settings.suspects
    groups = [near_duplicate_key(text) for text in train.texts]
    fold_of = label_errors.folds(train.gold, groups, suspects.folds, settings.seed, task.multi_label)
    if suspects.judge == "probe":
        return label_errors.probe(vectors(train, base, settings), train.gold, fold_of, task.multi_label, settings.seed)
    probabilities = np.zeros(train.gold.shape, dtype=np.float32)
    for fold in sorted(set(fold_of.tolist())):
        done = folder / f"fold-{fold}.npy"
        if not done.is_file():
            title = f"suspects, fold {fold + 1} of {suspects.folds}"
            found = judged(part(train, fold_of != fold), valid, part(train, fold_of == fold), base, settings, done.with_suffix(""), title)
            with files.atomic(done, "wb") as file:
                np.save(file, found)
            shutil.rmtree(done.with_suffix(""), ignore_errors=True)
        probabilities[fold_of == fold] = np.load(done)
    return probabilities


def vectors(train: Examples, base: Path, settings: Params) -> np.ndarray:
    """Returns the encoder's unit vector of every training text, float32 of shape (n, d)."""
    how = pooling.for_vectors(base, settings.model.pooling)
    card = contract.new_card("linear-probe", settings.labelled_task(), paths.TRAIN, len(train), settings.model.max_length, None, how)
    return embedding.start(base_models.open_base(base), card, started(settings)).embed(train.texts, settings.finetune.batch_size)


def judged(seen: Examples, valid: Examples, unseen: Examples, base: Path, settings: Params, checkpoints: Path, title: str) -> np.ndarray:
    """Returns float32 probabilities of shape (n, n_labels) for the `unseen` texts, by the encoder fine-tuned on those `seen`."""
    machine = started(settings)
    encoder = base_models.open_base(base)
    how = pooling.for_head(base, encoder.objective == base_models.CAUSAL, settings.model.pooling)
    card = contract.new_card("transformer", settings.labelled_task(), paths.TRAIN, len(seen), settings.model.max_length, None, how)
    model, _ = classifier.train(encoder, card, seen, valid, settings.finetune, checkpoints, machine, settings.runtime.checkpoint_seconds, title)
    labeler = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine)
    return labeler.scores(unseen.texts, settings.finetune.batch_size)


def started(settings: Params) -> runtime.Machine:
    """Returns the machine with fresh seeds: every fold begins with the same ones, so that one after a kill is as it would have been."""
    return runtime.of(settings, settings.model.max_length)


def part(some: Examples, chosen: np.ndarray) -> Examples:
    """Returns the examples of the rows that are True in `chosen`, a bool array of shape (n,)."""
    rows = np.flatnonzero(chosen)
    return Examples([some.ids[row] for row in rows], [some.texts[row] for row in rows], some.gold[rows])
