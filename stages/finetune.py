"""Fine-tune one recipe's encoder on the labelled texts; the best epoch by validation macro-F1 is kept, and calibrated.

data/split/{train,valid}.csv, models/encoder/… ──► models/labeler/NAME
"""

from pathlib import Path

import click

from labelrounds import calibration, classifier, encoders, examples, files, labelers, params, runtime
from labelrounds.errors import Command, UserError, did_you_mean
from labelrounds.labelers import transformer
from labelrounds.scratch import scratch


@click.command(cls=Command)
@click.argument("name")
def main(name: str) -> None:
    settings = params.load()
    if name not in settings.recipes:
        raise UserError(f'there is no recipe "{name}" in params.yaml.{did_you_mean(name, settings.recipes)} Recipes: {", ".join(settings.recipes)}.')
    recipe, task = settings.recipes[name], settings.labelled_task()
    base = Path("models/encoder") / recipe.encoder
    used = (recipe, settings.finetune, settings.task, settings.seed, settings.runtime.threads, settings.runtime.precision, settings.model.max_length)
    with scratch(f"finetune/{name}", [examples.TRAIN, examples.VALID, base], used) as folder:
        machine = runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision, settings.model.max_length)
        encoder = encoders.open_encoder(base)
        train, valid = examples.read(examples.TRAIN, task), examples.read(examples.VALID, task)
        origin = {"encoder": recipe.encoder, "fingerprint": files.fingerprint(base)}
        card = labelers.new_card("transformer", task, examples.TRAIN, len(train), settings.model.max_length, origin)
        model, epochs = classifier.train(
            encoder, card, train, valid, settings.finetune, folder, machine, settings.runtime.checkpoint_seconds, f"finetune {name}"
        )
        trained = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine)
        card = calibration.calibrated(card, trained.logits(valid.texts, settings.finetune.batch_size), valid.gold)
        transformer.save(model, encoder.tokenizer, card, labelers.ROOT / name)
    best = max(epochs, key=lambda epoch: epoch.score)
    click.echo(
        f"finetune {name}: {len(train)} texts; best macro-F1 on {len(valid)} validation texts {best.score:.3f}, epoch {best.number} of {len(epochs)}."
    )


if __name__ == "__main__":
    main()
