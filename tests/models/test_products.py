"""The matrix products of portable bytes are products, whatever their shape and type."""

import subprocess
import sys

import pytest

from tests.conftest import ENVIRONMENT, ROOT

SHAPES = [(1, 1, 1), (3, 16, 384), (17, 23, 5), (40, 30, 200), (0, 4, 3), (4, 0, 3), (4, 3, 0)]
TRAINED = """
import torch
from labelrounds.models import products
asked = []
before = products.kernels
def watched():
    return {name: (lambda kernel: lambda *given, **named: (asked.append(1), kernel(*given, **named))[1])(kernel) for name, kernel in before().items()}
products.kernels = watched
torch.manual_seed(1)
layer, texts = torch.nn.Sequential(torch.nn.Linear(24, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3)), torch.randn(5, 24)
layer(texts).square().sum().backward()
plain = [weight.grad.clone() for weight in layer.parameters()]
layer.zero_grad()
products.settle()
products.settle()
layer(texts).square().sum().backward()
assert asked
for one, other in zip(plain, (weight.grad for weight in layer.parameters()), strict=True):
    torch.testing.assert_close(one, other)
with torch.inference_mode():
    torch.testing.assert_close(texts @ texts.T, (texts.double() @ texts.double().T).float())
"""


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_product_is_what_torch_computes(shape: tuple[int, int, int], kind: str) -> None:
    import torch

    from labelrounds.models import products

    kernels = products.kernels()
    height, width, inner = shape
    generator = torch.Generator().manual_seed(3)
    first, second, bias = (
        torch.randn(size, generator=generator, dtype=torch.float32).to(getattr(torch, kind)) for size in ((height, inner), (inner, width), (width,))
    )
    # How far two orders of a sum may lie apart: Higham 2002, "Accuracy and Stability of Numerical Algorithms", 3.1.
    bound = 2 * (inner + 3) * torch.finfo(first.dtype).eps * float(2 * (first.abs() @ second.abs()).max() + 3) if 0 not in shape else 0

    def same(one: torch.Tensor, other: torch.Tensor) -> None:
        torch.testing.assert_close(one, other, rtol=0, atol=bound)

    for one, other in ((first, second), (first.t().contiguous().t(), second), (first, second.t().contiguous().t())):
        same(kernels["mm"](one, other), one @ other)
        for scales in ({}, {"beta": 0.5, "alpha": 2}, {"beta": 0}):
            same(kernels["addmm"](bias, one, other, **scales), torch.addmm(bias, one, other, **scales))


@pytest.mark.slow
def test_a_training_goes_through_them_and_has_the_same_gradients() -> None:
    done = subprocess.run([sys.executable, "-c", TRAINED], cwd=ROOT, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Overriding" not in done.stderr, "torch's note for developers stays off a user's screen"
