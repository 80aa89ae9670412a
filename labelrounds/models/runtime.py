"""Sets seed, threads, precision and device of a process."""

import os
import platform
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import portable
from labelrounds.core.params import Params
from labelrounds.models import products

PAD_TO = 8  # tokens: batches of few shapes fragment memory less (half the peak on CPUs), and GPUs multiply them faster


@dataclass(frozen=True)
class Machine:
    """device: `cuda` or `cpu`; bf16: whether matrix products run in bfloat16; attention: the kernel to train with."""

    seed: int
    device: str
    bf16: bool
    attention: str = "sdpa"


def of(settings: Params, max_length: int | None = None) -> Machine:
    """Starts what params.yaml describes."""
    asked = settings.runtime
    return start(settings.seed, asked.threads, asked.precision, max_length, asked.reproducible)


def start(seed: int, threads: int, precision: str, max_length: int | None = None, reproducible: str = "machine") -> Machine:
    """Sets seeds, threads and determinism for this process and returns what it runs on.

    No library of this process can reach a model hub after this. `precision` is `auto`, `fp32` or `bf16`;
    `auto` takes bfloat16 where the hardware multiplies it natively. `max_length`, in tokens, is for training:
    on CPUs the fused attention kernel is slow to train in bfloat16, but the plain one keeps every attention
    map, which is too much memory for long texts. `reproducible` is `machine` or `portable`: then the CPU computes in fp32, and a
    UserError says where the settings for that (core/portable.py) are not in force.
    """
    portable.check(reproducible)
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_DATASETS_OFFLINE"] = "1"
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # what torch asks for to be deterministic on GPUs
    quiet()
    import numpy
    import torch

    device = "cuda" if reproducible != portable.PORTABLE and torch.cuda.is_available() else "cpu"
    torch.set_num_threads(threads)
    # use_deterministic_algorithms says the same, after a second of imports. On a GPU "warn" would not do: there torch keeps its attention
    # kernels deterministic in training only where anything else is an error.
    torch.set_deterministic_debug_mode("warn" if device == "cpu" else "error")
    deterministic: Any = torch.utils.deterministic  # Any: the module gets this property as it is imported
    deterministic.fill_uninitialized_memory = False  # it fills every new tensor, for operations we do not use
    torch.backends.cudnn.benchmark = False
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if reproducible == portable.PORTABLE:
        products.settle()
        return Machine(seed, "cpu", False)
    bf16 = precision == "bf16" or (precision == "auto" and native_bf16(device))
    short = max_length is not None and max_length <= 128
    return Machine(seed, device, bf16, "eager" if device == "cpu" and bf16 and short else "sdpa")


def hardware() -> str:
    """Returns what of this machine the last bits of a score may depend on: its processor and, once torch is at work, its device."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8", errors="replace").splitlines() if cpus.is_file() else []
    model = next((line for line in lines if line.startswith("model name")), platform.processor())
    torch = sys.modules.get("torch")  # a labeler that needs no torch does not wait for it here
    device = None if torch is None else torch.cuda.get_device_name() if torch.cuda.is_available() else torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} {model} {device}"


def native_bf16(device: str) -> bool:
    """Says whether `device` multiplies bfloat16 in hardware (AMX or AVX512-BF16; Ampere and later)."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def quiet() -> None:
    """Keeps the libraries' notes for developers off a user's screen; our own errors say what matters."""
    import logging
    import warnings

    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def autocast(machine: Machine):
    """Returns the context in which models run: bfloat16 products where the machine says so."""
    import torch

    return torch.autocast(machine.device, dtype=torch.bfloat16, enabled=machine.bf16)
