"""Bring a language model to disk, or write down which one a server is to be asked for.

params.language_models.NAME ──► models/language/NAME
"""

import shutil

import click

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command
from labelrounds.llm import prompted
from labelrounds.models import base_models, runtime


@click.command(cls=Command)
@click.argument("name")
def main(name: str) -> None:
    settings = params.load()
    model, folder = params.named(settings.language_models, name, "language model"), paths.LANGUAGE_MODELS / name
    if model.source:
        runtime.quiet()
        fingerprint = base_models.bring(model.source, folder)
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
        click.echo(f"language_model {name}: {model.source.partition('#')[0]}: {size:.0f} MB of weights, fingerprint {fingerprint}.")
    else:
        # Where the server is and how fast it may be asked is no part of it: another address gives the same answers.
        made = folder.parent / f".{name}.made"
        shutil.rmtree(made, ignore_errors=True)
        files.write_json(made / prompted.SERVED, {"model": model.model, "parameters": model.parameters})
        files.seal(made)
        files.publish(made, folder)
        click.echo(f"language_model {name}: {model.model} at {model.server}, which is asked when texts are to be labelled.")


if __name__ == "__main__":
    main()
