"""Score the whole pool with the deployed labeler, shard by shard, in constant memory.

    data/pool, models/labeler/DEPLOY ──► data/predictions/shards/*.parquet

A killed run goes on with the first shard that is not finished. What may be labelled without a person is decided by the
stage `gate`: so a new audit, or another precision, scores nothing again.
"""

import itertools

import click
from tqdm import tqdm

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import scratch
from labelrounds.labelers import contract
from labelrounds.pool import predictions, reader


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    deployed = paths.LABELERS / settings.deploy
    source, batch_size, shard_size = settings.data.pool, settings.predict.batch_size, settings.predict.shard_size
    used = (batch_size, shard_size, settings.seed, settings.runtime.threads, settings.runtime.precision, settings.data)
    total = 0
    with scratch("predict", [source, deployed], used) as folder:
        labeler = contract.load_named(settings.deploy, settings)
        shards = folder / "shards"
        shards.mkdir(exist_ok=True)
        with tqdm(desc=f"predict with {settings.deploy}", unit=" texts", unit_scale=True, mininterval=1.0) as bar:
            stream = reader.stream(source, settings.data.text_column)
            for number in itertools.count():
                rows = list(itertools.islice(stream, shard_size))
                if not rows:
                    break
                total += len(rows)
                shard = shards / f"part-{number:05d}.parquet"
                if shard.is_file():
                    bar.update(len(rows))
                    continue
                probabilities = labeler.scores([row.text for row in rows], batch_size, bar.update)
                predictions.write_shard(shard, contract.said([row.id for row in rows], probabilities, labeler))
        files.publish(shards, paths.SHARDS)  # the one step that hands over: a run killed before it has every shard, after it nothing left to do
    click.echo(f"predict: {total} texts scored with {settings.deploy}.")


if __name__ == "__main__":
    main()
