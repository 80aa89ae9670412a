"""Bring the pinned base model to disk, once; everything after this runs offline.

params.model.base ──► models/encoder/vanilla
"""

from pathlib import Path

import click

from labelrounds import encoders, runtime
from labelrounds.core import params
from labelrounds.core.errors import Command

OUT = Path("models/encoder/vanilla")


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    runtime.quiet()
    fingerprint = encoders.bring(settings.model.base, OUT)
    encoder = encoders.open_encoder(OUT)
    size = sum(path.stat().st_size for path in OUT.glob("*.safetensors")) / 1e6
    click.echo(f"base: {settings.model.base.partition('#')[0]}: {size:.0f} MB of weights, {encoder.objective} objective, fingerprint {fingerprint}.")


if __name__ == "__main__":
    main()
