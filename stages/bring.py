"""Bring a further pinned model to disk, once, as `base` brings the first: recipes name it as their encoder.

params.bases.NAME ──► models/encoder/NAME
"""

from pathlib import Path

import click

from labelrounds.core import params
from labelrounds.core.errors import Command
from labelrounds.models import base_models, runtime


@click.command(cls=Command)
@click.argument("name")
def main(name: str) -> None:
    settings = params.load()
    source = params.named(settings.bases, name, "base")
    runtime.quiet()
    folder = Path("models/encoder") / name
    fingerprint = base_models.bring(source, folder)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
    click.echo(f"bring {name}: {source.partition('#')[0]}: {size:.0f} MB of weights, fingerprint {fingerprint}.")


if __name__ == "__main__":
    main()
