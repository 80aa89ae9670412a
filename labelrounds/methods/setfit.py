"""SetFit (Tunstall et al. 2022): few labels make many pairs, which draw the texts of one label together and others apart.

The library setfit tunes the encoder on the pairs; a logistic regression on its unit vectors then tells the labels. What
it saves itself holds a pickle, so encoder and head are saved here. A killed run starts again, and gives the same bytes.
"""

import contextlib
import importlib.util
import io
import logging
import shutil
from dataclasses import replace
from typing import Any

from pydantic import Field

from labelrounds.core.errors import UserError
from labelrounds.core.examples import Examples
from labelrounds.core.params import Count, Section, Share
from labelrounds.labelers import linear, linear_probe, vectors
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models, pooling

NEEDS = ("labels", "encoder")


class Settings(Section):
    """steps : batches of pairs; batch_size : pairs; inverse_regularization : C of the logistic regression on top"""

    steps: Count
    batch_size: Count
    learning_rate: Share
    inverse_regularization: float = Field(ge=1e-6, le=1e6)


def make(job: Job) -> str:
    """Makes a linear probe on a contrastively tuned encoder; says on how many texts."""
    encoder = base_models.open_base(job.base)
    train, valid = job.examples()
    card = replace(job.card("linear-probe", len(train)), pooling=pooling.MEAN)  # as sentence-transformers pools what tells nothing
    tuned = job.folder / "tuned"
    shutil.rmtree(tuned, ignore_errors=True)
    model = tune(encoder, train, job)
    model.save_pretrained(tuned)
    encoder.tokenizer.save_pretrained(tuned)
    pooling.copy(encoder.folder, tuned)
    embedder = vectors.Embedder(model.eval().to(job.machine.device), encoder.tokenizer, card.tokens, job.machine, pooling.MEAN)
    found = embedder.embed(train.texts, job.settings.predict.batch_size)
    weights, bias = linear.regression(found, train.gold, card.schema, job.section(Settings).inverse_regularization, job.settings.seed)
    card = job.calibrated(card, linear_probe.LinearProbe(card, "", embedder, weights, bias), valid)
    linear_probe.save(tuned, weights, bias, card, job.out)
    return f"{len(train)} texts; encoder tuned on {job.section(Settings).steps} batches of pairs"


def check_installed() -> None:
    """Raises a UserError if the library is not there."""
    if importlib.util.find_spec("setfit") is None:
        raise UserError('the method setfit needs the package of that name, which is not installed. Type: pip install "labelrounds[setfit]"')


def tune(encoder: base_models.BaseModel, train: Examples, job: Job) -> Any:
    """Returns the encoder's model after contrastive fine-tuning; with a single label there are no pairs to learn from."""
    check_installed()
    import setfit
    from sentence_transformers import SentenceTransformer
    from transformers.trainer_callback import ProgressCallback

    settings, task = job.section(Settings), job.settings.labelled_task()
    body = SentenceTransformer(str(encoder.folder), device=job.machine.device, local_files_only=True, trust_remote_code=False)
    body.max_seq_length = job.settings.model.max_length
    if len({tuple(row) for row in train.gold.tolist()}) > 1:
        labels = train.gold.tolist() if task.multi_label else train.gold.argmax(axis=1).tolist()
        arguments = setfit.TrainingArguments(
            output_dir=str(job.folder / "setfit"),
            batch_size=settings.batch_size,
            max_steps=settings.steps,
            body_learning_rate=settings.learning_rate,
            seed=job.settings.seed,
            use_amp=False,
            report_to="none",
            save_strategy="no",
            eval_strategy="no",
            logging_strategy="no",
            logging_first_step=False,
            max_length=job.settings.model.max_length,
        )
        model = setfit.SetFitModel(model_body=body, multi_target_strategy="one-vs-rest" if task.multi_label else None)
        logging.getLogger("setfit").setLevel(logging.ERROR)
        with contextlib.redirect_stdout(io.StringIO()):  # the Trainer's notes; its progress goes to the standard error
            trainer = setfit.Trainer(model=model, args=arguments)
            trainer.add_callback(ProgressCallback)  # absent by itself: transformers' own progress is off
            trainer.train_embeddings(train.texts, labels, args=arguments)
    return body[0].auto_model
