"""Make one recipe's labeler from the labelled texts, by the recipe's method; validation chooses, the test set is not read.

data/split/{train,valid}.csv, data/unlabelled, models/encoder/… ──► models/labeler/NAME
"""

import click

from labelrounds.core import examples, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import scratch
from labelrounds.methods import jobs


@click.command(cls=Command)
@click.argument("name")
def main(name: str) -> None:
    settings = params.load()
    recipe = params.named(settings.all_recipes, name, "recipe")
    needs = jobs.needs(recipe)
    if jobs.LABELS in needs:
        examples.check_any(paths.TRAIN)
    inputs = [paths.TRAIN, paths.VALID]
    inputs += [paths.BASE_MODELS / recipe.encoder] if jobs.ENCODER in needs else []
    inputs += [paths.UNLABELLED] if jobs.UNLABELLED in needs else []
    used = (
        recipe,
        jobs.reads(recipe, settings),
        settings.finetune,
        settings.predict.batch_size,
        settings.task,
        settings.seed,
        settings.runtime.threads,
        settings.runtime.precision,
        settings.runtime.reproducible,
        settings.model.max_length,
    )
    with scratch(f"finetune/{name}", inputs, used) as folder:
        job = jobs.Job(name, recipe, settings, paths.TRAIN, paths.VALID, folder, paths.LABELERS / name)
        result = jobs.make_labeler(job)
    click.echo(f"finetune {name}: {result}.")


if __name__ == "__main__":
    main()
