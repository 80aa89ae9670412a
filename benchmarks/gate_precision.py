"""Is the gate's promise kept on real data? The demo's texts, all of whose ratings are known, twenty projects each.

    python -m benchmarks.gate_precision [--seeds 20] [--train 500]

Each project draws training and validation texts at random, trains a labeler, and lets the gate decide over the
rest of the pool. `chosen on validation` reuses the validation texts as the pipeline does: they choose the model (one
of six strengths of regularisation, as an epoch is chosen) and its temperature, then test the cuts. `apart` spends
as many texts again on the choice, so that validation only tests: the difference is what the reuse costs.
"""

import hashlib
import warnings
from pathlib import Path

import click
import numpy as np

from labelrounds import calibration, demo, encoders, gate, labelers, params, pool, runtime, scores, tables
from labelrounds.labelers import linear, transformer
from labelrounds.schema import Task

TASK = Task("multi-class", ("negative", "neutral", "positive"))
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
ENCODER = Path("models/encoder/vanilla")


@click.command()
@click.option("--seeds", default=20, show_default=True)
@click.option("--train", "n_train", default=500, show_default=True)
@click.option("--valid", "sizes", multiple=True, type=int, default=(200, 500, 1000), show_default=True)
@click.option("--precision", default=0.95, show_default=True)
@click.option("--risk", default=0.05, show_default=True)
def main(seeds: int, n_train: int, sizes: tuple[int, ...], precision: float, risk: float) -> None:
    warnings.filterwarnings("ignore")
    texts, gold = rated()
    vectors = embedded(texts)
    click.echo(f"{len(texts)} texts, {n_train} for training, precision {precision:g} at risk {risk:g}, {seeds} projects per row\n")
    click.echo("labeler            validation                 open  auto share  realised precision (mean, least)  promise broken")
    for kind in ("embeddings", "tf-idf"):
        for apart in (False, True):
            for size in sizes:
                found = [project(kind, seed, apart, size, n_train, texts, vectors, gold, precision, risk) for seed in range(seeds)]
                opened = [one for one in found if one["auto"]]
                realised = [one["precision"] for one in opened]
                shown = f"{np.mean(realised):.3f}, {min(realised):.3f}" if realised else "-"
                name = f"{size}, {'apart' if apart else 'chosen on validation'}"
                click.echo(
                    f"{kind:18} {name:26} {len(opened):2}/{seeds}  {np.mean([one['auto'] for one in found]):9.1%}  "
                    f"{shown:>33}  {sum(one['broken'] for one in found):2} of {seeds}"
                )


def rated():
    """Returns the distinct texts of the demo's pool and their 0/1 labels, by the mean of all raters."""
    means = {row.cells["id"]: float(row.cells["mean"]) for row in tables.rows(demo.RATINGS)}
    texts = {row.id: row.text for row in pool.stream(demo.POOL, "text")}
    return list(texts.values()), scores.indicator([(demo.label_of(means[identity], 0.5),) for identity in texts], TASK)


def embedded(texts):
    """Returns the encoder's mean hidden states, float32 of shape (n, hidden size), kept in scratch/."""
    settings = params.load()
    kept = Path("scratch") / f"benchmark-{hashlib.sha256(''.join(texts).encode()).hexdigest()[:12]}.npy"
    if not kept.is_file():
        machine = runtime.start(settings.seed, settings.runtime.threads, "fp32")
        encoder = encoders.open_encoder(ENCODER)
        model = encoders.load_classifier(encoder, TASK, machine).to(machine.device).eval()
        card = labelers.Card("transformer", TASK.type, list(TASK.labels), [0.5] * 3, 1.0, settings.model.max_length, None, {})
        kept.parent.mkdir(exist_ok=True)
        np.save(kept, transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine).embed(texts, 64))
    return np.load(kept)


def project(kind, seed, apart, n_valid, n_train, texts, vectors, gold, precision, risk):
    """Returns what the gate lets through in one project, and how much of it is right by the ratings of all texts."""
    order = np.random.default_rng([seed, n_valid]).permutation(len(texts))
    train, rest = order[:n_train], order[n_train:]
    valid, choose = rest[:n_valid], rest[n_valid : 2 * n_valid]
    free = rest[2 * n_valid :]
    choose = choose if apart else valid
    card = labelers.Card(kind, TASK.type, list(TASK.labels), [0.5] * 3, 1.0, None, None, {})
    candidates = [learnt(kind, strength, train, texts, vectors, gold) for strength in STRENGTHS]
    best = max(candidates, key=lambda logits: scores.macro_f1(gold[choose], indicator(logits[choose])))
    card = calibration.calibrated(card, best[choose], gold[choose])
    probabilities = labelers.probabilities(best, card)
    said = indicator(probabilities)
    sure, stratum, is_right = labelers.confidence(probabilities, card), gate.strata(probabilities, said), gate.right(said, gold)
    paths = gate.plan(sure[free], stratum[free], 4, n_valid, precision, risk)
    verdicts = gate.decide(paths, sure[valid], stratum[valid], is_right[valid], precision)
    auto = sure[free] >= gate.cuts_by_stratum(verdicts, 4)[stratum[free]]
    groups = [auto & np.isin(stratum[free], verdict.strata) for verdict in verdicts if verdict.cut is not None]
    return {
        "auto": auto.mean(),
        "precision": is_right[free][auto].mean() if auto.any() else None,
        "broken": any(is_right[free][group].mean() < precision for group in groups if group.any()),
    }


def learnt(kind, strength, train, texts, vectors, gold):
    """Returns the logits of all texts, float array of shape (n, 3), after training on `train`."""
    if kind == "tf-idf":
        return tfidf(train, texts, gold, strength)
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=strength, max_iter=500).fit(vectors[train] * 10, gold[train].argmax(axis=1))
    return fitted.decision_function(vectors * 10)


def tfidf(train, texts, gold, strength):
    """Returns the logits of the linear baseline; its vectorizers are fitted once per draw."""
    key = train.tobytes()
    if key not in _FEATURES:
        _FEATURES.clear()
        vectorizers = linear.new_vectorizers()
        for vectorizer in vectorizers:
            vectorizer.fit([texts[number] for number in train])
        _FEATURES[key] = linear.features(texts, vectorizers)
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=strength * 30, max_iter=500).fit(_FEATURES[key][train], gold[train].argmax(axis=1))
    return fitted.decision_function(_FEATURES[key])


_FEATURES = {}


def indicator(values):
    """Returns the 0/1 matrix of the highest value of each row."""
    return np.eye(values.shape[1], dtype=np.int64)[values.argmax(axis=1)]


if __name__ == "__main__":
    main()
