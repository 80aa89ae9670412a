"""What a process is told before it computes."""

from collections.abc import Iterator

import pytest

from labelrounds.models import runtime


@pytest.fixture
def torch() -> Iterator:
    torch = pytest.importorskip("torch")
    before = torch.get_deterministic_debug_mode()
    yield torch
    torch.set_deterministic_debug_mode(before)


@pytest.mark.parametrize("there, device, mode", [(True, "cuda", 2), (False, "cpu", 1)])
def test_on_a_gpu_an_operation_that_would_not_repeat_is_an_error(torch, monkeypatch: pytest.MonkeyPatch, there: bool, device: str, mode: int) -> None:
    """With a warning alone (1), torch takes kernels of attention that differ from run to run."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    machine = runtime.start(13, 1, "fp32")
    assert (machine.device, torch.get_deterministic_debug_mode()) == (device, mode)
