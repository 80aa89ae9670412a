"""Decide what the model may label alone, at the precision that params.yaml promises; write the labelled pool.

    data/predictions/shards, data/pool, data/split/{valid,labels}.csv, data/audits, models/labeler/DEPLOY
        ──► data/predictions/labelled.{csv,parquet}; metrics/{gate,audit,predict}.json

Audits take texts out first; then the unlabelled pool fixes the cuts to try, and the validation texts try them.
"""

from collections import Counter
from collections.abc import Iterator

import click
import numpy as np

from labelrounds.core import examples, files, params, paths, tables
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.core.task import Task
from labelrounds.labelers import contract, gating
from labelrounds.measures import gate, gate_report
from labelrounds.pool import reader
from labelrounds.rounds import audits, labelled, vote


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    deployed = paths.LABELERS / settings.deploy
    precision, risk = settings.predict.precision, settings.predict.risk
    with reading("gate", settings.data.pool, paths.SHARDS, deployed, paths.VALID, paths.LABELS, paths.AUDITS, paths.SCHEMA):
        card = contract.read_card(deployed)
        task, labeler = card.schema, files.fingerprint(deployed)
        valid, checks, drawn = examples.read(paths.VALID, task), audits.checked(task), audits.drawn(task)
        people, trained = read_people(checks, task)
        free, known = gating.read_pool(card, people, {*valid.ids, *checks.labels})
        known |= scores_of_others(valid, set(known), settings)
        # A text that trains cannot check: the labeler has seen its answer.
        audited = {identity: one.labels for identity, one in sorted(checks.labels.items()) if identity in known and identity not in trained}
        floors = gating.audit_floors(audited, known, card, precision, risk)
        tested = gating.scored(np.reshape([known[identity] for identity in valid.ids], (len(valid), len(card.labels))).astype(np.float32), card)
        found = gate.outcome(free, tested, valid.gold, floors, precision, risk)
        decisions, labels = write_labelled(gating.labelled(card, people, found.cuts, settings.data), task, settings.data)
        files.write_json(paths.METRICS / "gate.json", gate_report.summary(found, tested, valid.gold, precision, risk, labeler, task))
        files.write_json(paths.METRICS / "audit.json", gate_report.audit_summary(drawn, checks, precision, task))
        files.write_json(paths.METRICS / "predict.json", gate_report.pool_summary(decisions, labels, labeler, task))
    for line in (*gate_report.reasons(found, settings.split.valid, precision, task), *gate_report.untested(found, free, precision, risk, task)):
        click.echo(line)
    total = sum(decisions.values())
    click.echo(f"gate: {', '.join(f'{count} ({count / total:.0%}) {name}' for name, count in decisions.items())}.")


def read_people(checks: vote.Verdict, task: Task) -> tuple[dict[str, tuple[str, ...]], set[str]]:
    """Returns ({id: labels} of every text that people labelled or audited, ids of those that train)."""
    rows = list(tables.rows(paths.LABELS))
    people = {identity: settled.labels for identity, settled in checks.labels.items()}
    people |= {row.cells["id"]: task.parse(row.cells[task.column], row.where) for row in rows}
    return people, {row.cells["id"] for row in rows if row.cells["side"] == "train"}


def scores_of_others(valid: examples.Examples, known: set[str], settings: params.Params) -> dict[str, np.ndarray]:
    """Returns {id: scores} of the validation texts that came with a round, not from the pool: the labeler is asked about them now."""
    lacking = [number for number, identity in enumerate(valid.ids) if identity not in known]
    if not lacking:
        return {}
    found = contract.load_named(settings.deploy, settings).scores([valid.texts[number] for number in lacking], settings.predict.batch_size)
    return {valid.ids[number]: row for number, row in zip(lacking, found, strict=True)}


def write_labelled(pool: Iterator[gating.Labelled], task: Task, data: params.Data) -> tuple[dict[str, int], Counter[str]]:
    """Writes the labelled pool, one row per text; returns ({decision: texts}, how often each label is given, those for review aside)."""
    own = reader.own_columns(data.pool, data.text_column, ["id", "text", task.column, "confidence", "decision"])
    decisions: dict[str, int] = {gating.AUTO: 0, gating.REVIEW: 0, gating.HUMAN: 0}
    labels: Counter[str] = Counter()

    def lines() -> Iterator[labelled.Line]:
        for one in pool:
            decisions[one.decision] += 1
            if one.decision != gating.REVIEW:
                labels.update(one.labels)
            yield one.text.id, one.text.text, one.labels, one.confidence, one.decision, [one.text.own.get(name, "") for name in own]

    labelled.write(lines(), task, list(own.values()), paths.LABELLED, paths.LABELLED_DATA)
    return decisions, labels


if __name__ == "__main__":
    main()
