"""Ask a language model about the validation and test texts and a sample of the corpus, and make a labeler of it.

models/language/MODEL, the prompt's folder, data/split, data/corpus, models/encoder/vanilla ──► models/labeler/NAME
"""

import click

from labelrounds.core import params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import scratch
from labelrounds.llm import make


@click.command(cls=Command)
@click.argument("name")
def main(name: str) -> None:
    settings = params.load()
    asked = params.named(settings.prompts, name, "prompt")
    inputs = [asked.prompt, paths.TRAIN, paths.VALID, paths.TEST, paths.CORPUS]
    with scratch(f"ask/{name}", inputs, (asked, settings.task, settings.seed)):
        result = make.make(name, settings, paths.TRAIN, paths.LABELERS / name)
    click.echo(f"ask {name}: {result}.")


if __name__ == "__main__":
    main()
