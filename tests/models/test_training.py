"""Training: the same bytes every time, also when it is killed anywhere; the best epoch, and no epoch too many."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelrounds.core import files
from labelrounds.labelers import transformer
from labelrounds.models import base_models, checkpoints, objectives, runtime, sources, training
from tests import tiny

pytestmark = pytest.mark.slow

NEVER = 1e9  # seconds between checkpoints
PLAN = training.Plan(epochs=3, learning_rate=2e-3, batch_size=4, warmup=0.2, weight_decay=0.01)
STEPS = 6  # per epoch: 24 rows in batches of 4


class Killed(BaseException):
    """What a test raises where a process would die: nothing catches it."""


@pytest.fixture(scope="module")
def vanilla(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    sources.bring(str(tiny.model(folder / "source")), folder / "vanilla")
    return folder / "vanilla"


class Run:
    """One masked-language-model training, as `adapt` does it, that can be called again after a kill."""

    def __init__(self, vanilla: Path, folder: Path) -> None:
        self.vanilla, self.folder = vanilla, folder
        self.calls = 0
        self.losses: list[float] = []
        self.score: Callable[[Any], float] | None = None
        self.kill_at: int | None = None
        self.plan = PLAN
        self.model: Any = None

    def fit(self, checkpoint_seconds: float = 0.0) -> list[training.Epoch]:
        """Trains from the start, or from where a killed call left off, in a process with fresh seeds."""
        machine = runtime.start(13, 1, "fp32")
        encoder = base_models.open_base(self.vanilla)
        self.model, _ = base_models.load_language_model(encoder, machine)
        rows = [row["input_ids"] for row in transformer.tokenize([text for text, _ in tiny.texts(24)], encoder.tokenizer, 32)]
        objective = objectives.of(encoder, 0.3)
        batches = [objective.collate(rows, 99)]

        def loss(model: Any, batch: dict[str, Any]) -> Any:
            if self.calls == self.kill_at:
                raise Killed
            self.calls += 1
            found = objective.loss(model, batch)
            self.losses.append(float(found.detach()))
            return found

        def score(model: Any) -> float:
            return -objectives.mean_loss(model, batches, objective, machine)

        lengths = np.asarray([len(row) for row in rows])
        return training.fit(
            self.model, rows, lengths, objective.collate, loss, self.plan, self.folder, machine, checkpoint_seconds, "test", self.score or score
        )

    def killed(self, at: int) -> None:
        """Trains until the given loss is asked for, counted over all calls, and dies there."""
        self.kill_at = at
        with pytest.raises(Killed):
            self.fit()
        self.kill_at = None

    @property
    def bytes(self) -> tuple[dict[str, bytes], str]:
        """The best weights and the history. safetensors writes the names of tied weights in any order: so not the file's bytes."""
        from safetensors.numpy import load_file

        weights = {name: tensor.tobytes() for name, tensor in load_file(str(self.folder / checkpoints.BEST)).items()}
        return weights, (self.folder / checkpoints.HISTORY).read_text()


@pytest.fixture(scope="module")
def undisturbed(vanilla: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(vanilla, tmp_path_factory.mktemp("undisturbed"))
    run.fit(NEVER)
    return run


def test_two_runs_give_the_same_bytes_and_checkpoints_change_none(vanilla: Path, undisturbed: Run, tmp_path: Path) -> None:
    again = Run(vanilla, tmp_path)
    epochs = again.fit(0.0)
    assert again.bytes == undisturbed.bytes
    assert again.losses == undisturbed.losses and len(again.losses) == 3 * STEPS
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert epochs[-1].score > epochs[0].score, "it learns"
    assert {path.name for path in tmp_path.iterdir()} == {checkpoints.BEST, checkpoints.HISTORY}, "no checkpoint outlives its run"


@pytest.mark.parametrize("step", [0, 1, STEPS - 1, STEPS, STEPS + 1, 2 * STEPS, 3 * STEPS - 1])
def test_a_run_killed_at_a_step_goes_on_to_the_same_bytes(step: int, vanilla: Path, undisturbed: Run, tmp_path: Path) -> None:
    run = Run(vanilla, tmp_path)
    run.killed(step)
    run.fit()
    assert run.bytes == undisturbed.bytes
    assert run.losses == undisturbed.losses, "each step was taken once"


def test_a_run_killed_again_and_again_goes_on_to_the_same_bytes(vanilla: Path, undisturbed: Run, tmp_path: Path) -> None:
    run = Run(vanilla, tmp_path)
    for step in (2, 3, STEPS, 2 * STEPS + 1):
        run.killed(step)
    run.fit()
    assert run.bytes == undisturbed.bytes and run.losses == undisturbed.losses


def test_a_run_killed_without_any_checkpoint_begins_anew_to_the_same_bytes(vanilla: Path, undisturbed: Run, tmp_path: Path) -> None:
    run = Run(vanilla, tmp_path)
    run.kill_at = STEPS + 2
    with pytest.raises(Killed):
        run.fit(NEVER)
    run.kill_at = None
    run.fit(NEVER)
    assert run.bytes == undisturbed.bytes and run.losses[STEPS + 2 :] == undisturbed.losses


def dying(original: Callable[..., Any], at: int, before: bool) -> Callable[..., Any]:
    """Returns a function that does as `original`, but for its call number `at`: there it dies, before or after the deed."""
    count = 0

    def replaced(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == at and before:
            raise Killed
        done = original(*args, **options)
        if count == at:
            raise Killed
        return done

    return replaced


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("where", ["before the best is saved", "after the best is saved", "after the history is written"])
def test_a_run_killed_between_two_files_of_an_epochs_end_goes_on_to_the_same_bytes(
    where: str, epoch: int, vanilla: Path, undisturbed: Run, tmp_path: Path
) -> None:
    run = Run(vanilla, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        if "history" in where:
            patch.setattr(files, "write_json", dying(files.write_json, epoch, before=False))
        else:
            patch.setattr(checkpoints, "save_weights", dying(checkpoints.save_weights, epoch, before="before" in where))
        with pytest.raises(Killed):
            run.fit()
    run.fit()
    assert run.bytes == undisturbed.bytes


@pytest.mark.parametrize("step", [STEPS - 1, STEPS, STEPS + 1])
def test_a_half_written_checkpoint_is_not_gone_on_from(step: int, vanilla: Path, undisturbed: Run, tmp_path: Path) -> None:
    from transformers import Trainer

    run = Run(vanilla, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_save_optimizer_and_scheduler", dying(Trainer._save_optimizer_and_scheduler, step, before=True))
        with pytest.raises(Killed):
            run.fit()
    run.fit()
    assert run.bytes == undisturbed.bytes


def test_a_finished_run_is_not_trained_again_and_gives_its_best_weights(vanilla: Path, undisturbed: Run) -> None:
    import torch

    before, weights = undisturbed.bytes, {name: tensor.clone() for name, tensor in undisturbed.model.state_dict().items()}
    undisturbed.kill_at = undisturbed.calls
    epochs = undisturbed.fit()
    undisturbed.kill_at = None
    assert len(epochs) == 3 and undisturbed.bytes == before
    assert all(torch.equal(weights[name], tensor) for name, tensor in undisturbed.model.state_dict().items())


def scripted(run: Run, scores: list[float]) -> list[dict[str, Any]]:
    """Makes the run's epochs reach these scores; returns the weights at each, as they come."""
    seen: list[dict[str, Any]] = []

    def score(model: Any) -> float:
        assert not model.training, "dropout is off where a score is taken"
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return scores[len(seen) - 1]

    run.score = score
    return seen


def test_the_best_epoch_is_kept_not_the_last_and_the_earliest_of_equals(vanilla: Path, tmp_path: Path) -> None:
    import torch

    run = Run(vanilla, tmp_path)
    seen = scripted(run, [0.2, 0.7, 0.7])
    epochs = run.fit(NEVER)
    assert epochs == [training.Epoch(1, 0.2), training.Epoch(2, 0.7), training.Epoch(3, 0.7)]
    assert all(torch.equal(seen[1][name], tensor) for name, tensor in run.model.state_dict().items())
    assert any(not torch.equal(seen[2][name], tensor) for name, tensor in run.model.state_dict().items())


def test_training_stops_when_patience_ends_and_not_before(vanilla: Path, tmp_path: Path) -> None:
    run = Run(vanilla, tmp_path)
    run.plan = training.Plan(epochs=9, learning_rate=1e-3, batch_size=4, patience=2)
    scripted(run, [0.1, 0.05, 0.3, 0.2, 0.1, 0.9])
    assert [epoch.score for epoch in run.fit(NEVER)] == [0.1, 0.05, 0.3, 0.2, 0.1]
    assert run.calls == 5 * STEPS


def test_a_run_that_is_killed_while_patience_runs_stops_where_it_would_have_stopped(vanilla: Path, tmp_path: Path) -> None:
    run = Run(vanilla, tmp_path)
    run.plan = training.Plan(epochs=9, learning_rate=1e-3, batch_size=4, patience=2)
    scripted(run, [0.1, 0.3, 0.2, 0.1, 0.9])
    run.killed(3 * STEPS + 1)
    assert [epoch.score for epoch in run.fit()] == [0.1, 0.3, 0.2, 0.1]
    assert run.calls == 4 * STEPS


def test_without_a_score_the_last_step_is_kept_and_steps_cap_the_run(vanilla: Path, tmp_path: Path) -> None:
    machine = runtime.start(13, 1, "fp32")
    encoder = base_models.open_base(vanilla)
    model, _ = base_models.load_language_model(encoder, machine)
    rows = [row["input_ids"] for row in transformer.tokenize([text for text, _ in tiny.texts(24)], encoder.tokenizer, 32)]
    taken = []

    def loss(model: Any, batch: dict[str, Any]) -> Any:
        taken.append(model.base_model.embeddings.word_embeddings.weight.detach().clone())
        return objectives.masked_loss(model, batch)

    plan = training.Plan(1, 1e-2, 4, steps=8)
    epochs = training.fit(
        model, rows, np.asarray([len(row) for row in rows]), objectives.masking(encoder.tokenizer, 0.3), loss, plan, tmp_path, machine, NEVER, "test"
    )
    assert epochs == [] and len(taken) == 8, "steps cap the run whatever the epochs say"
    assert not np.array_equal(model.base_model.embeddings.word_embeddings.weight.detach().numpy(), taken[-1].numpy())
