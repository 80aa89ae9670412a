"""The same bytes on every x86-64 processor with AVX2: what the math libraries must be told before numpy or torch is first imported.

    settle()   puts the settings in force, where params.yaml says `runtime.reproducible: portable`; else it does nothing
    check()    a UserError where they are asked for and not in force

`stages/__init__.py` and the command `labelrounds` settle first of all. So this module imports neither numpy nor torch, nor what does.
Sources: github.com/Deep-MI/FastSurfer/issues/892 (all of these together, or the bytes differ), pytorch/pytorch issue 155552.
"""

import os
import platform
import sys
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError

PORTABLE = "portable"
SETTINGS = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",  # the rest of torch's matrix products: models/products.py has most of them done by oneDNN
    "MKL_DYNAMIC": "FALSE",  # as many threads as asked for, however many cores there are
    "OMP_DYNAMIC": "FALSE",
    "OPENBLAS_CORETYPE": "Haswell",  # matrix products of numpy and scipy
    "OPENBLAS_NUM_THREADS": "1",  # it never takes more than there are cores, and their number differs
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",  # numpy's own kernels
}
READERS = ("numpy", "torch")  # read the settings as they are imported, and never again

_in_force = False


def settle(path: str | Path = "params.yaml") -> None:
    """Sets the environment for this process and its children, if params.yaml asks for portable bytes and no reader is loaded yet."""
    global _in_force
    asked = _runtime(Path(path))
    if asked.get("reproducible") != PORTABLE:
        return
    if all(os.environ.get(name) == value for name, value in SETTINGS.items()) and not _in_force:
        _in_force = True  # the process began with them
    if _in_force or any(name in sys.modules for name in READERS):
        return
    os.environ.update(SETTINGS)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(asked.get("threads", 1))
    _in_force = True


def check(reproducible: str) -> None:
    """Raises a UserError if the bytes shall be portable and cannot be. reproducible : the parameter runtime.reproducible"""
    if reproducible != PORTABLE:
        return
    if lacking := _lacking():
        raise UserError(
            f"params.yaml: runtime.reproducible is portable, and this processor lacks {' and '.join(lacking)}, which that needs. "
            "Use another machine, or set it to machine."
        )
    if not _in_force:
        loaded = " and ".join(name for name in READERS if name in sys.modules) or "no library"
        raise UserError(
            f"params.yaml: runtime.reproducible is portable, but {loaded} had been loaded before its settings were in force, so the bytes would "
            "depend on this machine. Run the stage with `dvc repro` or `python -m stages.NAME`; from Python, call "
            "`labelrounds.core.portable.settle()` before the first import of numpy or torch."
        )


def _runtime(path: Path) -> dict[str, Any]:
    """Returns the section `runtime` of params.yaml, unchecked; what is wrong with the file is told by who reads the parameters."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    if PORTABLE not in text:  # the reader takes a while
        return {}
    from ruamel.yaml import YAML  # not core/params, which stands on numpy

    try:
        value = YAML(typ="safe", pure=True).load(text)
    except Exception:  # of any kind that the reader of the parameters explains
        return {}
    section = value.get("runtime") if isinstance(value, dict) else None
    return section if isinstance(section, dict) else {}


def _lacking() -> list[str]:
    """Returns which instructions this x86-64 processor lacks, as far as the system tells; on other kinds none are asked for."""
    cpus = Path("/proc/cpuinfo")
    if platform.machine().lower() not in ("x86_64", "amd64") or not cpus.is_file():
        return []
    flags = next((line.split() for line in cpus.read_text(encoding="utf-8", errors="replace").splitlines() if line.startswith("flags")), None)
    return [name.upper() for name in ("avx2", "fma") if flags is not None and name not in flags]
