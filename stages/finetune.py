"""Fine-tune one recipe's encoder on the labelled texts; the best epoch by validation macro-F1 is kept.

data/split/{train,valid}.csv, models/encoder/… ──► models/labeler/NAME
"""

from pathlib import Path

import click
import numpy as np

from labelrounds import encoders, files, labelers, params, runtime, scores, tables, training
from labelrounds.errors import Command, UserError, did_you_mean
from labelrounds.labelers import transformer
from labelrounds.scratch import scratch

SPLIT = Path("data/split")


@click.command(cls=Command)
@click.argument("name")
def main(name: str) -> None:
    settings = params.load()
    if name not in settings.recipes:
        raise UserError(f'there is no recipe "{name}" in params.yaml.{did_you_mean(name, settings.recipes)} Recipes: {", ".join(settings.recipes)}.')
    recipe, finetune, task = settings.recipes[name], settings.finetune, settings.labelled_task()
    base = Path("models/encoder") / recipe.encoder
    used = (recipe, finetune, settings.task, settings.seed, settings.runtime.threads, settings.runtime.precision, settings.model.max_length)
    with scratch(f"finetune/{name}", [SPLIT / "train.csv", SPLIT / "valid.csv", base], used) as folder:
        machine = runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision, settings.model.max_length)
        encoder = encoders.open_encoder(base)
        texts, gold = read_labelled(SPLIT / "train.csv", task)
        valid_texts, valid_gold = read_labelled(SPLIT / "valid.csv", task)
        model = encoders.load_classifier(encoder, task, machine).to(machine.device)
        encoders.check_length(model, settings.model.max_length)
        card = labelers.Card(
            kind="transformer",
            task=task.type,
            labels=list(task.labels),
            thresholds=[0.5] * len(task.labels),
            temperature=1.0,
            max_length=settings.model.max_length,
            base={"encoder": recipe.encoder, "fingerprint": files.fingerprint(base)},
            training={"n": len(texts), "fingerprint": files.sha256(SPLIT / "train.csv")[:16]},
        )
        rows = [
            {**row, "labels": target}
            for row, target in zip(transformer.tokenize(texts, encoder.tokenizer, card.max_length), targets(gold, task), strict=True)
        ]

        def valid_f1(model):
            labeler = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine)
            decided = labelers.decide(labeler.scores(valid_texts, settings.predict.batch_size), card)
            return scores.macro_f1(valid_gold, scores.indicator(decided, task))

        plan = training.Plan(
            finetune.epochs, finetune.learning_rate, finetune.batch_size, finetune.warmup, finetune.weight_decay, patience=finetune.patience
        )
        epochs = training.fit(
            model,
            rows,
            np.asarray([len(row["input_ids"]) for row in rows]),
            lambda batch, seed: training.pad(batch, encoder.tokenizer),
            classification_loss(class_weights(gold, finetune.class_weights), task),
            plan,
            folder,
            machine,
            settings.runtime.checkpoint_seconds,
            f"finetune {name}",
            valid_f1,
        )
        transformer.save(model, encoder.tokenizer, card, labelers.ROOT / name)
    best = max(epochs, key=lambda epoch: epoch.score)
    click.echo(
        f"finetune {name}: {len(texts)} texts; best macro-F1 on {len(valid_texts)} validation texts {best.score:.3f}, epoch {best.number} of {len(epochs)}."
    )


def read_labelled(path, task):
    """Returns (texts, 0/1 matrix of shape (n_texts, n_labels)) of a file of the split."""
    rows = list(tables.rows(path))
    return [row.cells["text"] for row in rows], scores.indicator([task.parse(row.cells[task.column], row.where) for row in rows], task)


def targets(gold, task):
    """Returns what the loss compares with: label ids, or a list of 0.0 and 1.0 per text."""
    return gold.astype(float).tolist() if task.multi_label else gold.argmax(axis=1).tolist()


def class_weights(gold, how):
    """Returns float weights of shape (n_labels,): all 1, or n / (k * count), as scikit-learn's "balanced"."""
    if how == "none":
        return np.ones(gold.shape[1])
    return gold.sum() / (gold.shape[1] * np.maximum(gold.sum(axis=0), 1))


def classification_loss(weights, task):
    """Returns the loss: cross-entropy for multi-class, one binary cross-entropy per label for multi-label."""
    import torch

    def loss(model, batch):
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        logits = model(**inputs).logits.float()
        weight = torch.as_tensor(weights, dtype=torch.float32, device=logits.device)
        if task.multi_label:
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, batch["labels"].float(), pos_weight=weight)
        return torch.nn.functional.cross_entropy(logits, batch["labels"], weight=weight)

    return loss


if __name__ == "__main__":
    main()
