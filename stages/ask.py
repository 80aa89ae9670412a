"""Ask a language model about the validation and test texts and a sample of the pool, and make a labeler of it.

studies/llm/models/MODEL, the prompt's folder, data/split, data/pool, models/encoder/vanilla ──► models/labeler/NAME
"""

import click

from labelrounds.core import params
from labelrounds.core.errors import Command
from labelrounds.core.scratch import scratch
from labelrounds.labelers import contract
from labelrounds.llm import make
from labelrounds.rounds import examples


@click.command(cls=Command)
@click.argument("name")
def main(name: str) -> None:
    settings = params.load()
    asked = params.named(settings.prompts, name, "prompt")
    inputs = [asked.prompt, examples.TRAIN, examples.VALID, examples.TEST, make.HELDOUT, settings.data.pool]
    with scratch(f"ask/{name}", inputs, (asked, settings.task, settings.seed)):
        result = make.make(name, settings, examples.TRAIN, contract.ROOT / name)
    click.echo(f"ask {name}: {result}.")


if __name__ == "__main__":
    main()
