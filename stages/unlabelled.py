"""Draw texts without labels for the recipes that learn from them, each with a copy in other words; never held-out texts.

    data/pool, data/split/heldout.txt, models/encoder/adapted ──► data/unlabelled/texts.csv

The draw hears of labels only through the list of held-out texts, so a new round leaves it as it is.
"""

import heapq
import json
import shutil
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import scratch
from labelrounds.models import augmentation, base_models, runtime
from labelrounds.pool import reader, unlabelled
from labelrounds.pool.identity import near_duplicate_key


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    wanted = settings.unlabelled
    translators = wanted.translators if wanted.augmentation == "back-translation" else ()
    inputs = [settings.data.pool, paths.HELDOUT, paths.ADAPTED, *(folder for folder in translators if Path(folder).is_dir())]
    used = (wanted, settings.data, settings.seed, settings.model.max_length, settings.runtime.threads, settings.runtime.precision)
    with scratch("unlabelled", inputs, used) as folder:
        rows = draw(settings)
        texts = [row.text for row in rows]
        augmented = []
        with tqdm(total=len(texts), desc=f"augment by {wanted.augmentation}", unit=" texts", mininterval=1.0) as bar:
            augment = None
            for start in range(0, len(texts), augmentation.BATCH):
                batch = texts[start : start + augmentation.BATCH]
                path = folder / f"{start:08d}.json"
                if not path.is_file():
                    augment = augment or augmenter(settings, texts)
                    files.write_json(path, augment(batch))
                augmented += json.loads(path.read_text(encoding="utf-8"))
                bar.update(len(batch))
        made = folder / "made"
        shutil.rmtree(made, ignore_errors=True)
        files.write_csv(made / paths.UNLABELLED.name, unlabelled.COLUMNS, zip((row.id for row in rows), texts, augmented, strict=True))
        files.publish(made, paths.UNLABELLED.parent)
    changed = sum(copy != text for copy, text in zip(augmented, texts, strict=True))
    click.echo(f"unlabelled: {len(texts)} texts of the pool that are not held out; {wanted.augmentation} reworded {changed} of them.")


def draw(settings):
    """Returns an even draw of the pool's texts in pool order: no held-out text, and of near-duplicates only the first."""
    heldout = set(paths.HELDOUT.read_text(encoding="utf-8").split())
    randomness = np.random.default_rng([settings.seed, 2**32 - 1])  # a round's draw takes (seed, number of rounds): not the same one
    keep, seen = [], set()
    # The texts with the highest random numbers, in one pass and small memory.
    for number, row in enumerate(reader.stream(settings.data.pool, settings.data.text_column)):
        key = near_duplicate_key(row.text)
        if row.id in heldout or key in seen:
            continue
        seen.add(key)
        entry = (randomness.random(), number, row)
        if len(keep) < settings.unlabelled.size:
            heapq.heappush(keep, entry)
        elif entry > keep[0]:
            heapq.heapreplace(keep, entry)
    return [row for _, _, row in sorted(keep, key=lambda entry: entry[1])]


def augmenter(settings, texts):
    """Returns the function from texts to their copies that the parameters name."""
    wanted = settings.unlabelled
    if wanted.augmentation == "tfidf":
        return augmentation.by_tfidf(texts, wanted.share, settings.seed)
    machine = runtime.start(settings.seed, settings.runtime.threads, settings.runtime.precision)
    if wanted.augmentation == "mlm":
        encoder = base_models.open_base(paths.ADAPTED)
        return augmentation.by_masked_model(encoder, wanted.share, settings.seed, settings.model.max_length, machine)
    return augmentation.by_translation(wanted.translators, settings.seed, settings.model.max_length, machine)


if __name__ == "__main__":
    main()
