"""Bring a pinned base model to disk, once; everything after this runs offline.

params.model.base, or params.bases.NAME ──► models/encoder/NAME
"""

import click

from labelrounds.core import params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.models import runtime, sources


@click.command(cls=Command)
@click.argument("name", default=paths.VANILLA.name)
def main(name: str) -> None:
    settings = params.load()
    vanilla = name == paths.VANILLA.name
    spec = settings.model.base if vanilla else params.named(settings.bases, name, "base")
    runtime.quiet()
    with reading(f"base/{name}"):
        told = sources.bring(spec, paths.BASE_MODELS / name, "model.base" if vanilla else f"bases.{name}")
    click.echo(f"{'base' if vanilla else f'bring {name}'}: {told}.")


if __name__ == "__main__":
    main()
