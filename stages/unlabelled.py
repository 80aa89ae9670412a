"""Draw texts without labels for the recipes that learn from them, each with a copy in other words; never held-out texts.

    data/corpus, models/encoder/adapted ──► data/unlabelled/texts.csv

The draw hears of labels only through the corpus, which lacks the held-out texts: a new round leaves it as it is.
"""

import shutil
from pathlib import Path

import click

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import scratch
from labelrounds.models import augmentation, runtime
from labelrounds.models.augmentation import Augment
from labelrounds.models.runtime import Machine
from labelrounds.pool import corpus, unlabelled


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    wanted = settings.unlabelled
    translators = wanted.translators if wanted.augmentation == "back-translation" else ()
    inputs = [paths.CORPUS, paths.ADAPTED, *(folder for folder in translators if Path(folder).is_dir())]
    used = (wanted, settings.seed, settings.model.max_length, settings.runtime.threads, settings.runtime.precision, settings.runtime.reproducible)

    def start() -> Machine:
        return runtime.of(settings)

    def augmenter() -> Augment:
        return augmentation.named(wanted, texts, settings.seed, settings.model.max_length, start)

    with scratch("unlabelled", inputs, used) as folder:
        rows = unlabelled.draw(corpus.read(), wanted.size, settings.seed)
        texts = [row.text for row in rows]
        augmented = augmentation.copies(texts, augmenter, folder, f"augment by {wanted.augmentation}")
        made = folder / "made"
        shutil.rmtree(made, ignore_errors=True)
        files.write_csv(made / paths.UNLABELLED.name, unlabelled.COLUMNS, zip((row.id for row in rows), texts, augmented, strict=True))
        files.publish(made, paths.UNLABELLED.parent)
    changed = sum(copy != text for copy, text in zip(augmented, texts, strict=True))
    click.echo(f"unlabelled: {len(texts)} texts of the corpus; {wanted.augmentation} reworded {changed} of them.")


if __name__ == "__main__":
    main()
