"""The machine that computes: what bytes may depend on. It says nothing of who owns it, and reaches no out and no metric."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from labelrounds.core import files, portable
from labelrounds.core.params import Params
from labelrounds.core.scratch import LIBRARIES

RECORD = Path("machine.json")
FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile")  # that math libraries choose their kernels by


def describe(settings: Params) -> dict[str, Any]:
    """Returns the processor, the kernels that torch and numpy take here, the threads, the mode and the libraries' versions."""
    from labelrounds.models import runtime

    machine = runtime.of(settings)
    import numpy._core._multiarray_umath as numpy
    import torch

    processor = _cpuinfo()
    known = processor.get("flags", processor.get("Features", "")).split()
    return {
        "processor": processor.get("model name", platform.processor() or "unknown"),
        "architecture": platform.machine(),
        "flags": [flag for flag in FLAGS if flag in known],
        "cores": os.cpu_count(),
        "threads": settings.runtime.threads,
        "reproducible": settings.runtime.reproducible,
        "precision": "bf16" if machine.bf16 else "fp32",
        "device": machine.device if machine.device == "cpu" else torch.cuda.get_device_name(),
        "kernels": {
            "torch": torch.backends.cpu.get_cpu_capability(),
            "numpy": [name for name in numpy.__cpu_dispatch__ if numpy.__cpu_features__.get(name)],
            **{name: os.environ[name] for name in sorted(portable.SETTINGS) if name in os.environ},
        },
        "versions": {
            "python": platform.python_version(),
            "libc": " ".join(platform.libc_ver()),
            **{name: importlib.metadata.version(name) for name in (*LIBRARIES, "scipy")},
        },
    }


def keep(found: dict[str, Any]) -> None:
    """Writes the record beside dvc.lock."""
    files.write_json(RECORD, found)


def as_text(found: dict[str, Any]) -> str:
    """Returns a line per entry."""

    def told(value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {told(part)}" for name, part in value.items())
        return (" ".join(value) or "none") if isinstance(value, list) else str(value)

    return "\n".join(f"{name:<13} {told(value)}" for name, value in found.items())


def _cpuinfo() -> dict[str, str]:
    """Returns what Linux says of the first processor; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
