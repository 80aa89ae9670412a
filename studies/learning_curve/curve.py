"""Measure every recipe at several numbers of labels, with several seeds; a point is never computed twice.

    data/split/{train,valid,test,labels}.csv, models/encoder/… ──► metrics/curve.csv, metrics/curve_summary.csv, metrics/curve.svg
    studies/learning_curve/points/*.jsonl: every point so far

The points are a memory, not an input: each stands under a key of everything that decides its result. Code is not in
the key. When it, or a library, has changed, the smallest point of each recipe is computed again: if it gives the same
answers, the others stand; if not, all points of that recipe are computed again.
"""

import dataclasses
import gc
import shutil
from pathlib import Path

import click
from tqdm import tqdm

from labelrounds.core import examples, files, params, paths, tables
from labelrounds.core.errors import Command, UserError, at, did_you_mean
from labelrounds.core.scratch import scratch
from labelrounds.core.task import indicator
from labelrounds.labelers import contract
from labelrounds.llm import make, prompt, shots
from labelrounds.measures import curve
from labelrounds.methods import classifier, jobs, setfit
from labelrounds.models import runtime
from labelrounds.report import plots

POINTS = Path("studies/learning_curve/points")


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    task, study = settings.labelled_task(), settings.learning_curve
    check(settings)
    examples.check_any(paths.TEST)
    inputs = [paths.TRAIN, paths.VALID, paths.TEST, paths.LABELS, *(paths.BASE_MODELS / name for name in encoders_of(settings))]
    used = (
        settings.all_recipes,
        settings.prompts,
        settings.language_models,
        settings.finetune,
        [jobs.reads(settings.all_recipes[name], settings) for name in recipes_of(settings)],
        settings.task,
        settings.model.max_length,
        settings.runtime.threads,
        settings.runtime.precision,
        settings.runtime.reproducible,
    )
    with scratch("learning_curve", inputs, (used, settings.predict.batch_size)) as folder:
        wanted = plan(settings)
        points = [point for name in study.recipes for point in computed(name, wanted[name], settings, folder)]
        gold = examples.read(paths.TEST, task).gold
        files.write_csv(paths.METRICS / "curve.csv", curve.COLUMNS, curve.table(points, gold, task))
        rows = curve.summary(points, gold, task, study.against)
        files.write_csv(paths.METRICS / "curve_summary.csv", curve.SUMMARY, rows)
        plots.learning_curve(paths.METRICS / "curve.svg", rows, len(gold))
    click.echo(f"learning curve: {len(points)} points of {len(study.recipes)} recipes in {paths.METRICS / 'curve.csv'}. Next: labelrounds curve")


def check(settings):
    """Raises a UserError for a recipe that is not there, or lacks something: now, not after the hours before its turn."""
    known = list(settings.labelers)
    for name in [*settings.learning_curve.recipes, settings.learning_curve.against, *settings.learning_curve.only]:
        if name not in known:
            raise UserError(
                f'{at(params.PATH, params.line_of("learning_curve"))}: learning_curve names the recipe "{name}", which is not there.'
                f"{did_you_mean(name, known)} Expected one of: {', '.join(known)}."
            )
    for asked in (settings.prompts[name] for name in settings.learning_curve.recipes if name in settings.prompts):
        prompt.read(asked.prompt, settings.labelled_task(), asked.form, asked.max_characters)
    if any(settings.all_recipes[name].method == "setfit" for name in recipes_of(settings)):
        setfit.check_installed()
    for name in encoders_of(settings):
        if not (paths.BASE_MODELS / name / files.MANIFEST).is_file():
            raise UserError(
                f"{at(paths.BASE_MODELS / name)}: no such model, but a recipe of learning_curve begins at it. Run: dvc repro bring@{name}"
            )


def recipes_of(settings):
    """Returns the names in the study that are recipes, not prompts."""
    return [name for name in settings.learning_curve.recipes if name in settings.all_recipes]


def encoders_of(settings):
    """Returns the names of the encoders that the study's recipes start from."""
    recipes = [settings.all_recipes[name] for name in recipes_of(settings)]
    return sorted({recipe.encoder for recipe in recipes if jobs.ENCODER in jobs.needs(recipe)})


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A point to have: its key, and the ids of the training texts."""

    labels: int
    seed: int
    key: str
    ids: frozenset[str]


def plan(settings):
    """Returns {recipe: the points it should have}, smallest first."""
    study, task = settings.learning_curve, settings.labelled_task()
    train = {row.cells["id"]: row for row in tables.rows(paths.TRAIN)}
    rounds = {row.cells["id"]: int(row.cells["round"].partition("-")[0]) for row in tables.rows(paths.LABELS) if row.cells["id"] in train}
    sides = {"valid": files.sha256(paths.VALID), "test": files.sha256(paths.TEST)}
    sizes = sorted({min(size, len(rounds)) for size in (*study.sizes, len(rounds))})
    wanted = {}
    for name in study.recipes:
        asked = settings.prompts.get(name)
        learns = asked.needs_labels if asked else jobs.LABELS in jobs.needs(settings.all_recipes[name])
        own = [size for size in sizes if size in study.only.get(name, sizes) or (size == len(rounds) and name not in study.only)] if learns else [0]
        seeds = study.seeds if learns else study.seeds[:1]
        said = what_is_asked(asked, settings) if asked else None
        wanted[name] = []
        for size in own:
            for seed in seeds:
                ids = frozenset(curve.order(rounds, seed)[:size])
                texts = [(i, train[i].cells["text"], train[i].cells[task.column]) for i in sorted(ids)]
                decides = said or what_decides(name, size, settings)
                key = curve.key_of({"seed": seed, "train": texts, **sides, **decides})
                wanted[name].append(Wanted(size, seed, key, ids))
    return wanted


def what_decides(name, size, settings):
    """Returns the settings and inputs that the result of a recipe with `size` labels depends on, but for these and the seed."""
    recipe = settings.all_recipes[name]
    needs = jobs.needs(recipe)
    task = {"type": settings.task.type, "labels": settings.task.labels}
    known = {"method": recipe.method, "task": task, **jobs.reads(recipe, settings)}
    if jobs.LABELS not in needs:
        task["descriptions"] = settings.task.descriptions
    if jobs.ENCODER in needs:
        known |= {
            "encoder": files.fingerprint(paths.BASE_MODELS / recipe.encoder),
            "max_length": settings.model.max_length,
            "threads": settings.runtime.threads,
            "precision": settings.runtime.precision if settings.runtime.reproducible == "machine" else settings.runtime.reproducible,
            "batch_size": settings.predict.batch_size,
        }
    if jobs.UNLABELLED in needs:
        known["unlabelled"] = files.sha256(paths.UNLABELLED)
    elif jobs.FINETUNE in needs and classifier.repeats(size, settings.finetune_of(recipe)) == 1:
        del known["finetune"]["min_steps"]  # reached by as many labels anyhow
    return known


def what_is_asked(asked, settings):
    """Returns what the result of a prompt depends on, but for labelled texts and the seed: guideline, model, and where the calibration texts come from."""
    known = dataclasses.asdict(make.what_is_asked(asked, settings))
    for unread in ("model", "seed", *(("encoder",) if asked.examples != shots.NEAREST else ())):  # `model` is a name that we gave it
        del known[unread]
    return known | {
        "method": "prompted",
        "task": {"type": settings.task.type, "labels": settings.task.labels},
        "prompt": files.folder_digests(asked.prompt),
        "corpus": files.sha256(paths.CORPUS),
        "max_length": settings.model.max_length,
    }


def computed(name, wanted, settings, folder):
    """Returns the points of a recipe, those that are missing computed now and written one by one."""
    known, code = curve.read(name, POINTS), curve.made_by()
    old = [point for point in wanted if point.key in known and known[point.key].made_by != code]
    if old:
        first = old[0]
        fresh = compute(name, first, code, settings, folder)
        same = fresh.answers == known[first.key].answers
        click.echo(
            f"learning curve: the code or a library has changed since the points of {name} were computed; "
            + (
                "the smallest one gives the same answers again, so they stand."
                if same
                else "the smallest one gives other answers: all are computed anew."
            )
        )
        known = {key: dataclasses.replace(point, made_by=code) for key, point in known.items()} if same else {fresh.key: fresh}
        curve.write(name, known.values(), POINTS)
    missing = [point for point in wanted if point.key not in known]
    for point in tqdm(missing, desc=f"learning curve: {name}", unit="point", disable=not missing):
        known[point.key] = compute(name, point, code, settings, folder)
        curve.write(name, known.values(), POINTS)
    return [known[point.key] for point in wanted]


def compute(name, point, code, settings, folder):
    """Returns the point: a labeler learnt from these texts with this seed, and what it answers on the test set."""
    seeded = settings.model_copy(update={"seed": point.seed})
    task, work = settings.labelled_task(), folder / point.key
    train = work / "train.csv"
    rows = ([row.cells[column] for column in ("id", "text", task.column)] for row in tables.rows(paths.TRAIN) if row.cells["id"] in point.ids)
    files.write_csv(train, ["id", "text", task.column], rows)
    test = examples.read(paths.TEST, task)
    machine = runtime.of(seeded, settings.model.max_length)
    if name in settings.prompts:
        make.make(name, seeded, train, work / "labeler")
    else:
        jobs.make_labeler(jobs.Job(name, settings.all_recipes[name], seeded, train, paths.VALID, work / "checkpoints", work / "labeler"))
    labeler = contract.load(work / "labeler", machine, settings)
    decided = contract.decide(labeler.scores(test.texts, settings.predict.batch_size), labeler.card)
    answers = curve.pack(indicator(decided, task), task)
    del labeler
    gc.collect()
    shutil.rmtree(work)
    return curve.Point(name, point.labels, point.seed, point.key, code, answers)


if __name__ == "__main__":
    main()
