"""Bring the pinned base model to disk, once; everything after this runs offline.

params.model.base ──► models/encoder/vanilla
"""

from pathlib import Path

import click

from labelrounds.core import params
from labelrounds.core.errors import Command
from labelrounds.models import base_models, runtime

OUT = Path("models/encoder/vanilla")


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    runtime.quiet()
    fingerprint = base_models.bring(settings.model.base, OUT)
    encoder = base_models.open_encoder(OUT)
    size = sum(path.stat().st_size for path in OUT.glob("*.safetensors")) / 1e6
    click.echo(f"base: {settings.model.base.partition('#')[0]}: {size:.0f} MB of weights, {encoder.objective} objective, fingerprint {fingerprint}.")


if __name__ == "__main__":
    main()
