"""Is the gate's promise kept on real data? The demo's texts, all of whose ratings are known, twenty projects each.

    python -m benchmarks.gate_precision [--seeds 20] [--train 500]

Needs the demo's pool and ratings, models/encoder/vanilla and data/predictions (`dvc repro predict`).

Each project draws training and validation texts at random, trains a labeler, and lets the gate decide over the
rest of the pool. `reused` takes the validation texts twice, as the pipeline does: they choose the model (one of six
strengths of regularisation, as an epoch is chosen) and its temperature, then test the cuts. `apart` spends as many texts
again on the choice, so that validation only tests: the difference is what the reuse costs. `deployed` is the project's
own fine-tuned labeler as it stands: each project draws validation texts anew from all that it was not trained on.
"""

import hashlib
import warnings
from pathlib import Path

import click
import numpy as np

from labelrounds.core import params, paths, tables
from labelrounds.core.task import Task, indicator
from labelrounds.labelers import contract, linear, transformer
from labelrounds.measures import gate, scores
from labelrounds.models import base_models, runtime
from labelrounds.people import demo
from labelrounds.pool import reader

TASK = Task("multi-class", ("negative", "neutral", "positive"))
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


@click.command()
@click.option("--seeds", default=20, show_default=True)
@click.option("--train", "n_train", default=500, show_default=True)
@click.option("--valid", "sizes", multiple=True, type=int, default=(200, 500, 1000), show_default=True)
@click.option("--precision", "precisions", multiple=True, default=(0.95, 0.9, 0.85), show_default=True)
@click.option("--risk", default=0.05, show_default=True)
def main(seeds: int, n_train: int, sizes: tuple[int, ...], precisions: tuple[float, ...], risk: float) -> None:
    warnings.filterwarnings("ignore")
    identities, texts, gold = rated()
    vectors = embedded(texts)
    deployed, unseen = scored_by_the_deployed(identities)
    click.echo(f"{len(texts)} texts, {n_train} for training, risk {risk:g}, {seeds} projects per row\n")
    click.echo("labeler     promised  validation     opened  auto share  realised: mean, least  promise broken")
    for kind in ("deployed", "embeddings", "tf-idf"):
        found: dict[tuple[float, bool, int], list[dict]] = {}
        for seed in range(seeds):
            draw = np.random.default_rng(seed)
            order = draw.permutation(unseen) if kind == "deployed" else draw.permutation(len(texts))
            train, rest = (order[:0], order) if kind == "deployed" else (order[:n_train], order[n_train:])
            candidates = [deployed] if kind == "deployed" else learnt(kind, train, texts, vectors, gold)
            for precision in precisions:
                for apart in (False, True):
                    for size in sizes:
                        found.setdefault((precision, apart, size), []).append(project(candidates, rest, apart, size, gold, precision, risk))
        for (precision, apart, size), projects in found.items():
            realised = [one["precision"] for one in projects if one["auto"]]
            shown = f"{np.mean(realised):.3f}, {min(realised):.3f}" if realised else "-"
            click.echo(
                f"{kind:10}  {precision:8g}  {size:5} {'apart ' if apart else 'reused'}  {len(realised):4}/{seeds}  "
                f"{np.mean([one['auto'] for one in projects]):10.1%}  {shown:>21}  {sum(one['broken'] for one in projects):6} of {seeds}"
            )


def rated():
    """Returns the ids of the demo's distinct texts, the texts, and their 0/1 labels by the mean of all raters."""
    means = {row.cells["id"]: float(row.cells["mean"]) for row in tables.rows(demo.RATINGS)}
    texts = {row.id: row.text for row in reader.stream(demo.POOL, "text")}
    return list(texts), list(texts.values()), indicator([(demo.label_of(means[identity], 0.5),) for identity in texts], TASK)


def embedded(texts):
    """Returns the encoder's mean hidden states, float32 of shape (n, hidden size), kept in scratch/."""
    settings = params.load()
    kept = Path("scratch") / f"benchmark-{hashlib.sha256(''.join(texts).encode()).hexdigest()[:12]}.npy"
    if not kept.is_file():
        machine = runtime.start(settings.seed, settings.runtime.threads, "fp32")
        encoder = base_models.open_base(paths.VANILLA)
        model = base_models.load_classifier(encoder, TASK, machine).to(machine.device).eval()
        card = contract.Card("transformer", TASK.type, list(TASK.labels), [0.5] * 3, 1.0, settings.model.max_length, None, {})
        kept.parent.mkdir(exist_ok=True)
        np.save(kept, transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine).embed(texts, 64))
    return np.load(kept)


def scored_by_the_deployed(identities):
    """Returns (logits of all texts, float array of shape (n, 3); numbers of the texts that the deployed labeler was not trained on)."""
    said = {row.cells["id"]: [float(row.cells[f"score_{label}"]) for label in TASK.labels] for row in tables.rows("data/predictions/shards")}
    trained = {row.cells["id"] for row in tables.rows("data/split/train.csv")}
    logits = np.log(np.maximum([said[identity] for identity in identities], 1e-12))
    return logits, np.flatnonzero([identity not in trained for identity in identities])


def project(candidates, rest, apart, n_valid, gold, precision, risk):
    """Returns what the gate lets through in one project, and how much of it is right by the ratings of all texts."""
    valid, choose, free = rest[:n_valid], rest[n_valid : 2 * n_valid], rest[2 * n_valid :]
    choose = choose if apart else valid
    card = contract.Card("any", TASK.type, list(TASK.labels), [0.5] * 3, 1.0, None, None, {})
    best = max(candidates, key=lambda logits: scores.macro_f1(gold[choose], decided(logits[choose])))
    card = contract.calibrated(card, best[choose], gold[choose])
    probabilities = contract.probabilities(best, card)
    said = decided(probabilities)
    sure, stratum, is_right = contract.confidence(probabilities, card), gate.strata(probabilities, said), gate.right(said, gold)
    paths = gate.plan(sure[free], stratum[free], 4, n_valid, precision, risk)
    verdicts = gate.decide(paths, sure[valid], stratum[valid], is_right[valid], precision)
    auto = sure[free] >= gate.cuts_by_stratum(verdicts, 4)[stratum[free]]
    groups = [auto & np.isin(stratum[free], verdict.strata) for verdict in verdicts if verdict.cut is not None]
    return {
        "auto": auto.mean(),
        "precision": is_right[free][auto].mean() if auto.any() else None,
        "broken": any(is_right[free][group].mean() < precision for group in groups if group.any()),
    }


def learnt(kind, train, texts, vectors, gold):
    """Returns the logits of all texts, one float array of shape (n, 3) per strength, after training on `train`."""
    from sklearn.linear_model import LogisticRegression

    if kind == "tf-idf":
        vectorizers = linear.new_vectorizers()
        for vectorizer in vectorizers:
            vectorizer.fit([texts[number] for number in train])
        matrix, scale = linear.features(texts, vectorizers), 30
    else:
        matrix, scale = vectors * 10, 1
    fitted = [LogisticRegression(C=strength * scale, max_iter=500).fit(matrix[train], gold[train].argmax(axis=1)) for strength in STRENGTHS]
    return [one.decision_function(matrix) for one in fitted]


def decided(values):
    """Returns the 0/1 matrix of the highest value of each row."""
    return np.eye(values.shape[1], dtype=np.int64)[values.argmax(axis=1)]


if __name__ == "__main__":
    main()
