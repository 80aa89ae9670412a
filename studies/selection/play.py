"""Play the labelling rounds of a data set whose labels are known, once per selection strategy and seed.

    python -m studies.selection.play FOLDER --gold train.csv --test test.csv
    python -m studies.selection.play FOLDER --gold train.csv --test test.csv --pool pool.csv --recipe supervised

FOLDER becomes one project per seed and strategy, with this project's params.yaml: a random first round, then rounds of what
`select` asks for, answered from the gold labels. The stages are those of the loop, run in this process. All strategies of a seed share
the first round. Random selection is always among them. A run that was ended goes on with the first one that lacks a result.
"""

import contextlib
import shutil
from collections import Counter
from pathlib import Path
from statistics import mean, stdev

import click
from tqdm import tqdm

from labelrounds.core import examples, files, params, paths, registry, screen, tables
from labelrounds.core.errors import Command, UserError, at
from labelrounds.core.task import MULTI_CLASS, MULTI_LABEL, NONE, SEPARATOR, Task, indicator
from labelrounds.labelers import contract
from labelrounds.measures import scores
from labelrounds.models import runtime
from labelrounds.pool.identity import near_duplicate_key, text_id
from labelrounds.rounds import queue, record, sampling
from stages import adapt, corpus, finetune, predict, select, split

COLUMNS = ["labels", "strategy", "seed", "f1_micro", "f1_macro"]
RANDOM = "random"
RECIPES = {"baseline": "tfidf", "supervised": "supervised"}


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--gold", required=True, type=click.Path(path_type=Path), help="Labelled texts that people are asked for: columns text and label (or labels)."
)
@click.option("--test", required=True, type=click.Path(path_type=Path), help="Labelled texts to measure on; they are no part of the project.")
@click.option(
    "--pool",
    "further",
    type=click.Path(path_type=Path),
    help="Further texts without labels, never asked for: the encoder is adapted to them and to the gold texts first.",
)
@click.option("--encoder", type=click.Path(path_type=Path), help="The model folder of the recipe.  [default: models/encoder/vanilla]")
@click.option("--recipe", default="baseline", show_default=True, help="`baseline`, or `supervised`: the encoder fine-tuned.")
@click.option("--strategies", default="random,margin,entropy,entropy-kmeans", show_default=True, help="Those of select.strategy, joined by commas.")
@click.option("--first", default=200, show_default=True, help="Texts of the first, random round; validation comes from them.")
@click.option("--size", default=50, show_default=True, help="Texts of each later round.")
@click.option("--rounds", "later", default=4, show_default=True, help="Rounds after the first.")
@click.option("--seeds", default=3, show_default=True)
def main(folder, gold, test, further, encoder, recipe, strategies, first, size, later, seeds):
    base = params.PATH.resolve()
    encoder = (encoder or Path("models/encoder/vanilla")).resolve()
    chosen = list(dict.fromkeys([RANDOM, *strategies.split(",")]))
    for name in chosen:
        if name not in (known := registry.names(registry.STRATEGIES)):
            raise UserError(f'there is no strategy "{name}". Expected one of: {", ".join(known)}.')
    known, task = read_gold(gold)
    measured = read_test(test, task)
    texts = askable(known, {near_duplicate_key(text) for text in measured.texts})
    if further is not None:
        if recipe == "baseline":
            raise UserError("--pool is for adapting an encoder, and the baseline has none. Add --recipe supervised, or leave --pool out.")
        encoder = adapted(folder.resolve() / "adapted", base, encoder, task, texts, further, measured)
    played = []
    with tqdm(total=len(chosen) * seeds * (later + 1), desc="rounds", unit="round") as bar:
        for seed in range(1, seeds + 1):
            for strategy in chosen:
                place = (folder / f"seed-{seed}" / strategy).resolve()
                done = place / "results.csv"
                if done.is_file():
                    bar.update(later + 1)
                else:
                    build(place, base, encoder, task, (text for text, _ in texts.values()), recipe, strategy, size, seed)
                    with contextlib.chdir(place):
                        rows = play(texts, measured, strategy, seed, first, later, recipe, bar)
                    files.write_csv(done, COLUMNS, rows)
                played += [row.cells for row in tables.rows(done)]
    files.write_csv(folder / "results.csv", COLUMNS, ([row[name] for name in COLUMNS] for row in played))
    show(played, chosen, len(measured))


def read_gold(path):
    """Returns ({text id: (text, labels cell)}, the task): labels by frequency; several labels in one cell make it multi-label."""
    column = next((name for name in ("label", "labels") if name in tables.columns(path)), None)
    if column is None or "text" not in tables.columns(path):
        raise UserError(f"{at(path, 1)}: expected the columns text and label (or labels). Found: {', '.join(tables.columns(path))}.")
    known = {text_id(row.cells["text"]): (row.cells["text"], row.cells[column].strip() or NONE) for row in tables.rows(path)}
    parts = [[part for part in cell.split(SEPARATOR) if part != NONE] for _, cell in known.values()]
    several = column == "labels" or any(len(labels) != 1 for labels in parts)
    labels = tuple(sorted(Counter(label for some in parts for label in some)))
    return known, Task(MULTI_LABEL if several else MULTI_CLASS, labels)


def read_test(path, task):
    """Returns the test texts with their labels; those with a label that the gold file lacks are left out."""
    column = next(name for name in ("label", "labels") if name in tables.columns(path))
    rows = [(row.cells["text"], row.cells[column].strip() or NONE, row.where) for row in tables.rows(path)]
    kept = [row for row in rows if all(label in (*task.labels, NONE) for label in row[1].split(SEPARATOR))]
    if len(kept) < len(rows):
        click.echo(f"{len(rows) - len(kept)} test texts have a label that no gold text has, and were left out.")
    gold = indicator([task.parse(cell, where) for _, cell, where in kept], task)
    return examples.Examples([text_id(text) for text, _, _ in kept], [text for text, _, _ in kept], gold)


def askable(known, taken):
    """Returns the gold texts without near-duplicates of each other or of test texts."""
    return {
        identity: known[identity]
        for identity, _ in queue.without_near_duplicates(((identity, text) for identity, (text, _) in known.items()), set(taken))
    }


def adapted(place, base, encoder, task, texts, further, measured):
    """Returns the folder of the encoder after adaptation to the gold texts and further ones, but for near-duplicates of test texts; made once."""
    made = place / "models/encoder/adapted"
    if not made.is_dir():
        rows = [
            *((text_id(text), text) for text, _ in texts.values()),
            *((text_id(row.cells["text"]), row.cells["text"]) for row in tables.rows(further)),
        ]
        kept = queue.without_near_duplicates(rows, {near_duplicate_key(text) for text in measured.texts})
        build(place, base, encoder, task, (text for _, text in kept), "supervised", RANDOM, 1, params.load().seed)
        with contextlib.chdir(place):
            with files.atomic(paths.HELDOUT) as file:
                file.write("")
            run(corpus)
            run(adapt)
    return made


def build(place, base, encoder, task, texts, recipe, strategy, size, seed):
    """Makes the project folder: params.yaml, the pool, the encoder."""
    from ruamel.yaml import YAML

    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    yaml = YAML()
    tree = yaml.load(base.read_text(encoding="utf-8"))
    tree["task"] = {"type": task.type, "labels": list(task.labels)}
    tree["seed"] = seed
    tree["data"] = {"pool": "data/pool.csv", "text_column": "text"}
    tree["split"].update(holdout_rounds=["01"], test=0.05, valid=0.25)  # the test set is a file of its own
    tree["recipes"] = {name: {"encoder": "vanilla", "method": method} for name, method in RECIPES.items()}
    tree["deploy"] = recipe
    tree["select"].update(strategy=strategy, size=size)
    with files.atomic(place / "params.yaml") as file:
        yaml.dump(tree, file)
    files.write_csv(place / "data/pool.csv", ["text"], ([text] for text in texts))
    (place / "data/rounds").mkdir()
    if recipe != "baseline":
        (place / "models/encoder").mkdir(parents=True)
        (place / "models/encoder/vanilla").symlink_to(encoder)


def play(texts, measured, strategy, seed, first, later, recipe, bar):
    """Returns the results after each round, played in the working directory."""
    settings = params.load()
    asked, waiting, rows = [entry.id for entry in sampling.draw_at_random(first, settings)[0]], [], []
    for number in range(later + 1):
        bar.set_postfix_str(f"{strategy}, seed {seed}")
        waiting = answer(asked, waiting, texts, settings.labelled_task())
        for stage, words in (split, []), (finetune, [recipe]):
            run(stage, *words)
        summary = measure(recipe, measured, settings)
        rows.append((first + number * settings.select.size, strategy, seed, summary["f1_micro"], summary["f1_macro"]))
        if number < later:
            run(predict)
            run(select)
            asked = [entry.id for entry in queue.read()]
        bar.update()
    return rows


def answer(asked, waiting, texts, task):
    """Writes the next round: the gold labels of what is asked; returns those held back until a second text has their label.

    A label of one text can be learnt or tested, not both. What waits counts as asked for all the same.
    """
    asked = list(dict.fromkeys([*waiting, *asked]))
    before = Counter(label for annotation in record.read_all(task) for label in annotation.labels)
    found = before + Counter(label for identity in asked for label in task.parse(texts[identity][1], identity))
    alone = [identity for identity in asked if any(found[label] < 2 for label in task.parse(texts[identity][1], identity))]
    rows = ((identity, texts[identity][1], "gold") for identity in asked if identity not in alone)
    record.add(["id", task.column, "annotator"], rows, shared=False)
    return alone


def run(stage, *words):
    """Runs a stage's script in this process, without its line on the screen."""
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        stage.main.main(list(words), standalone_mode=False)


def measure(recipe, measured, settings):
    """Returns the scores of the labeler on the test texts."""
    machine = lambda: runtime.of(settings)  # noqa: E731  kinds without torch never call it
    labeler = contract.load(paths.LABELERS / recipe, machine)
    found = labeler.scores(measured.texts, settings.predict.batch_size)
    task = labeler.card.schema
    return scores.summary(measured.gold, indicator(contract.decide(found, labeler.card), task), found, task)


def show(played, chosen, n_test):
    """Prints macro-F1 by labels and strategy, mean and deviation over the seeds, and each one's paired lead over random."""
    cells = {}
    for row in played:
        cells.setdefault((int(row["labels"]), row["strategy"]), {})[row["seed"]] = 100 * float(row["f1_macro"])
    lines = []
    for labels in sorted({labels for labels, _ in cells}):
        line = [labels]
        for name in chosen:
            values = cells.get((labels, name), {})
            line.append(f"{mean(values.values()):.1f}{f' ± {stdev(values.values()):.1f}' if len(values) > 1 else ''}" if values else "")
        lines.append(line)
    click.echo(screen.table(["labels", *chosen], lines))
    click.echo(f"\nMacro-F1 in % on {n_test} test texts, mean ± deviation over the seeds.")
    last = max(labels for labels, _ in cells)
    for name in chosen:
        leads = [value - cells[last, RANDOM][seed] for seed, value in cells.get((last, name), {}).items() if seed in cells.get((last, RANDOM), {})]
        if name != RANDOM and leads:
            click.echo(
                f"{name} - random at {last} labels: {mean(leads):+.1f}{f' ± {stdev(leads):.1f}' if len(leads) > 1 else ''}, {len(leads)} seeds"
            )


if __name__ == "__main__":
    main()
