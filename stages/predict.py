"""Score the pool with the deployed labeler, part by part, in constant memory. Parts that it has scored before are kept.

    data/pool, models/labeler/DEPLOY ──► data/predictions/shards/*.parquet

A file that comes to the pool has its own texts scored and no others; a killed run goes on with the first part that is not
finished. What may be labelled without a person is decided by the stage `gate`: so a new audit, or another precision, scores
nothing again.
"""

import shutil

import click
from tqdm import tqdm

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import fingerprint_of, scratch
from labelrounds.labelers import contract
from labelrounds.models import runtime
from labelrounds.pool import kept, predictions, reader


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    deployed = paths.LABELERS / settings.deploy
    source, batch_size, size = settings.data.pool, settings.predict.batch_size, settings.predict.shard_size
    used = (batch_size, settings.seed, settings.runtime.threads, settings.runtime.precision, settings.runtime.reproducible)
    scored, found = 0, []
    with scratch("predict", [source, deployed], used) as folder:
        labeler = contract.load_named(settings.deploy, settings)
        room = kept.folder(fingerprint_of([deployed], (*used, runtime.hardware())))
        with tqdm(desc=f"predict with {settings.deploy}", unit=" texts", unit_scale=True, mininterval=1.0) as bar:
            total = 0
            for ids, texts in reader.parts(source, settings.data.text_column, size):
                part = room / kept.name(texts)
                total += len(texts)
                found.append(part)
                if part.is_file():
                    bar.update(len(texts))
                    continue
                scored += len(texts)
                predictions.write_shard(part, contract.said(ids, labeler.scores(texts, batch_size, bar.update), labeler))
        shards = folder / "shards"
        shutil.rmtree(shards, ignore_errors=True)
        shards.mkdir()
        for number, part in enumerate(found):
            shutil.copyfile(part, shards / f"part-{number:05d}.parquet")
        files.publish(shards, paths.SHARDS)  # the one step that hands over: a run killed before it has every part, after it nothing left to do
        kept.clean(room, found)
    before = f"; it had scored the other {total - scored} before" if scored < total else ""
    click.echo(f"predict: {scored} of {total} texts scored with {settings.deploy}{before}.")


if __name__ == "__main__":
    main()
