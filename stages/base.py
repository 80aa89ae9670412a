"""Bring the pinned base model to disk, once; everything after this runs offline.

params.model.base ──► models/encoder/vanilla
"""

import click

from labelrounds.core import params, paths
from labelrounds.core.errors import Command
from labelrounds.models import base_models, runtime


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    runtime.quiet()
    fingerprint = base_models.bring(settings.model.base, paths.VANILLA)
    encoder = base_models.open_encoder(paths.VANILLA)
    size = sum(path.stat().st_size for path in paths.VANILLA.glob("*.safetensors")) / 1e6
    click.echo(f"base: {settings.model.base.partition('#')[0]}: {size:.0f} MB of weights, {encoder.objective} objective, fingerprint {fingerprint}.")


if __name__ == "__main__":
    main()
