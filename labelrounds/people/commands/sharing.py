"""The commands that hand over what was made: card, publish."""

from pathlib import Path

import click

from labelrounds.core.errors import Command

LICENSE = click.option("--license", metavar="ID", help="Under which licence others may use it, such as mit; it stands in the card.")


@click.command(cls=Command)
@click.option("--to", "folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path(), help="The folder.  [default: here]")
@LICENSE
def card(folder: Path, license: str | None) -> None:
    """Write MODEL_CARD.md and DATASET_CARD.md from what the project knows, in the form of Hugging Face."""
    from labelrounds.core import params
    from labelrounds.people import cards

    for path in cards.write(params.load(), license, folder):
        click.echo(f"{path} is there now.")


@click.command(cls=Command)
@click.option("--to", "where", required=True, metavar="FOLDER|hf:ID", help="A new folder, or a model hub's OWNER/NAME.")
@click.option("--labeler", metavar="NAME", help="Which labeler.  [default: the deployed one]")
@click.option("--labels", is_flag=True, help="The labels, in place of a labeler, beside the ids of their texts.")
@click.option(
    "--with-texts",
    is_flag=True,
    help="The texts, too: beside the labels, or those that a prompted labeler shows. Only where everybody may read them.",
)
@click.option("--private", is_flag=True, help="On a hub: for its owner alone.")
@LICENSE
def publish(where: str, labeler: str | None, labels: bool, with_texts: bool, private: bool, license: str | None) -> None:
    """Publish a labeler with its card, for transformers to load where it can; or the labels. Never the texts, unless asked."""
    from labelrounds.core import params
    from labelrounds.people import publishing

    if labels and labeler:
        raise click.UsageError("--labeler and --labels exclude each other.")
    settings = params.load()
    if labels:
        click.echo(publishing.publish_labels(where, settings, license, private, with_texts))
    else:
        click.echo(publishing.publish(where, labeler or settings.deploy, settings, license, private, with_texts))
