"""The command `labelrounds`: what people type. The commands stand in the order of the work."""

import os
import sys
from pathlib import Path

import click

from labelrounds.core import journal, lock, portable
from labelrounds.core.errors import Group, UserError
from labelrounds.people.commands import demo, exchange, labelling, machines, pools, quality, schema, sharing, team, upkeep


class Commands(Group):
    """Subcommands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="labelrounds")
def main() -> None:
    """Label text in rounds: people label a few, a model learns, and says which to label next.

    \b
    labelrounds init --pool texts.csv      a clone becomes your project
    labelrounds draw 200 round-01.csv      the first texts to label, at random
    labelrounds import round-01.csv        their labels become the first file of data/rounds
    dvc repro                              train, measure, predict, choose the next queue
    labelrounds next round-02.csv          the queue, to fill in; then import again
    labelrounds audit 100 audit.csv        is what the model labels alone as right as promised?
    """
    portable.settle()
    if journal.waits():
        with lock.project("data", "params.yaml"):
            if said := journal.settle():
                click.echo(said, err=True)
    if not Path("params.yaml").is_file() and not {"-h", "--help"} & set(sys.argv):
        raise UserError(f"{os.getcwd()} is not a labelrounds project: there is no params.yaml. Go to the top of your clone.")


for command in (
    exchange.init,
    labelling.draw,
    labelling.next,
    labelling.quick,
    exchange.import_,
    exchange.export,
    labelling.audit,
    labelling.serve,
    quality.status,
    schema.schema,
    quality.results,
    team.show,
    team.merge,
    team.setup_git,
    quality.compare,
    quality.history,
    quality.report,
    quality.curve,
    quality.label,
    sharing.card,
    sharing.publish,
    pools.pool,
    pools.retire,
    machines.verify,
    machines.machine,
    upkeep.doctor,
    demo.demo,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
