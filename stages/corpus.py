"""Write down the texts that models learn from without labels: the pool up to a row, without held-out texts.

    data/pool, data/split/heldout.txt ──► data/corpus/texts.parquet

What learns from it (adapt, unlabelled, the sample that calibrates a prompt) runs again only if these texts change: not when
others come to the pool.
"""

import click

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.pool import corpus


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    until = settings.corpus.pool_until
    with files.unchanged(settings.data.pool, paths.HELDOUT):
        heldout = set(files.read_text(paths.HELDOUT).split())
        count, beyond = corpus.write(settings.data, until, heldout)
    later = f"; {beyond} rows came to the pool later (corpus.pool_until is {until})" if beyond else ""
    click.echo(f"corpus: {count} texts to learn from without labels{later}.")


if __name__ == "__main__":
    main()
