"""Make one recipe's labeler from the labelled texts, by the recipe's method; validation chooses, the test set is not read.

data/split/{train,valid}.csv, data/unlabelled, models/encoder/… ──► models/labeler/NAME
"""

import click

from labelrounds.core import params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import scratch
from labelrounds.methods import jobs
from labelrounds.models import runtime
from labelrounds.rounds import examples


@click.command(cls=Command)
@click.argument("name")
def main(name: str) -> None:
    settings = params.load()
    recipe = params.named(settings.all_recipes, name, "recipe")
    if recipe.needs_labels:
        examples.check_any(paths.TRAIN)
    inputs = [paths.TRAIN, paths.VALID, paths.BASE_MODELS / recipe.encoder]
    used = [
        recipe,
        settings.finetune,
        settings.setfit,
        settings.predict.batch_size,
        settings.task,
        settings.seed,
        settings.runtime.threads,
        settings.runtime.precision,
        settings.model.max_length,
    ]
    if recipe.needs_unlabelled:
        inputs += [paths.UNLABELLED]
        used += [settings.ust, settings.uda]
    with scratch(f"finetune/{name}", inputs, used) as folder:
        machine = runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision, settings.model.max_length)
        job = jobs.Job(name, recipe, settings, paths.TRAIN, paths.VALID, folder, paths.LABELERS / name, machine)
        result = jobs.make(job)
    click.echo(f"finetune {name}: {result}.")


if __name__ == "__main__":
    main()
