"""Bring a language model to disk, or write down which one a server is to be asked for.

params.language_models.NAME ──► models/language/NAME
"""

import click

from labelrounds.core import params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.llm import server
from labelrounds.models import runtime, sources


@click.command(cls=Command)
@click.argument("name")
def main(name: str) -> None:
    settings = params.load()
    model, folder = params.named(settings.language_models, name, "language model"), paths.LANGUAGE_MODELS / name
    with reading(f"language_model/{name}"):
        if model.source:
            runtime.quiet()
            told = sources.bring(model.source, folder, f"language_models.{name}.source")
        else:
            told = server.describe(model, folder)
    click.echo(f"language_model {name}: {told}.")


if __name__ == "__main__":
    main()
