"""Matrix products that are fast and have the same bytes on every processor with AVX2.

torch multiplies with MKL, which is the same on all processors in its mode COMPATIBLE alone, at a third of the speed (Intel oneMKL
Developer Guide, "Reproducibility Conditions"). So the products of two matrices, which are nearly all of the work, go to oneDNN,
which torch brings along: it chooses its kernels by the instructions that it may use, not by the processor's maker, and
`ONEDNN_MAX_CPU_ISA=AVX2` caps these. Everything else stays with MKL: stacks of small matrices, vectors, and other types.
"""

import warnings
from typing import Any

_held: list[Any] = []  # torch forgets a library of kernels that nobody holds


def settle() -> None:
    """Sends torch's products of two float32 matrices on the CPU to oneDNN, in training too, for the rest of the process."""
    import torch

    if _held or not torch.backends.mkldnn.is_available():
        return
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it takes another's place is what it is for
        for name, kernel in kernels().items():
            library.impl(name, kernel, "CPU", allow_override=True)
    _held.append(library)


def kernels() -> dict[str, Any]:
    """Returns {torch's name of a product: the function that computes it}; what oneDNN does not get, torch writes into an `out`."""
    import torch

    def linear(first: Any, second: Any, bias: Any) -> Any:
        return torch.ops.mkldnn._linear_pointwise(first, second.t(), bias, "none", [], "")

    def fits(first: Any, second: Any) -> bool:
        return first.dtype == second.dtype == torch.float32 and min(*first.shape, second.shape[1]) > 0

    def mm(first: Any, second: Any) -> Any:
        if fits(first, second):
            return linear(first, second, None)
        return torch.mm(first, second, out=first.new_empty((first.shape[0], second.shape[1])))

    def addmm(bias: Any, first: Any, second: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        if fits(first, second) and beta == alpha == 1 and bias.shape == second.shape[1:] and bias.dtype == torch.float32:
            return linear(first, second, bias.contiguous())
        made = mm(first, second)
        made = made if alpha == 1 else made.mul_(alpha)
        return made if beta == 0 else made.add_(bias, alpha=beta)

    return {"mm": mm, "addmm": addmm}
