"""`runtime.reproducible: portable`: its settings are in force before numpy and torch, or the run is refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labelrounds.core import portable
from labelrounds.core.errors import UserError
from tests.conftest import ENVIRONMENT, ROOT

SHOW = "import json, os, sys; loaded = sorted({'numpy', 'torch'} & set(sys.modules)); print(json.dumps([loaded, dict(os.environ)]))"


def settled(folder: Path, reproducible: str, begin: str) -> tuple[list[str], dict[str, str]]:
    """Returns (which of numpy and torch are loaded, the environment) of a Python that begins so, in a project that asks for this."""
    (folder / "params.yaml").write_text(f"runtime: {{threads: 3, precision: auto, reproducible: {reproducible}}}\n", encoding="utf-8")
    clean = {name: value for name, value in ENVIRONMENT.items() if name not in portable.SETTINGS}
    command = [sys.executable, "-c", f"{begin}; {SHOW}"]
    done = subprocess.run(command, cwd=folder, env={**clean, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    loaded, environment = json.loads(done.stdout)
    return loaded, environment


@pytest.mark.parametrize("begin", ["import stages", "import studies", "from labelrounds.people import cli; cli.main.callback()"])
def test_what_computes_settles_before_numpy_and_torch_are_loaded(tmp_path: Path, begin: str) -> None:
    loaded, environment = settled(tmp_path, "portable", begin)
    assert not loaded
    assert portable.SETTINGS.items() <= environment.items()
    assert environment["OMP_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "3"


def test_a_project_that_asks_for_one_machine_leaves_the_environment_alone(tmp_path: Path) -> None:
    _, environment = settled(tmp_path, "machine", "import stages")
    assert not portable.SETTINGS.keys() & environment.keys()


def test_numpy_takes_the_names_of_what_it_shall_not_use(tmp_path: Path) -> None:
    """It says nothing of a name that it does not know, so a new version of numpy could stop to be capped."""
    import numpy._core._multiarray_umath as numpy

    beyond = [name for name in numpy.__cpu_dispatch__ if name not in ("X86_V3", "AVX2", "FMA3")]
    assert sorted(beyond) == sorted(portable.SETTINGS["NPY_DISABLE_CPU_FEATURES"].split())


def test_settings_that_come_too_late_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy  # noqa: F401

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(portable, "_in_force", False)
    for name in portable.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "params.yaml").write_text("runtime: {threads: 1, reproducible: portable}\n", encoding="utf-8")
    portable.settle()
    assert not portable.SETTINGS.keys() & os.environ.keys(), "half of the settings would be worse than none"
    with pytest.raises(UserError, match=r"numpy.* had been loaded before its settings were in force"):
        portable.check("portable")
    portable.check("machine")


def test_a_process_that_began_with_the_settings_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(portable, "_in_force", False)
    for name, value in portable.SETTINGS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "params.yaml").write_text("runtime: {threads: 1, reproducible: portable}\n", encoding="utf-8")
    portable.settle()
    portable.check("portable")


def test_a_processor_without_avx2_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "_lacking", lambda: ["AVX2"])
    with pytest.raises(UserError, match="this processor lacks AVX2"):
        portable.check("portable")


def test_bfloat16_is_not_portable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelrounds.core import params

    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^  reproducible: \w+", "  reproducible: portable", text.replace("precision: auto", "precision: bf16"))
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "precision: bf16" in row)
    with pytest.raises(UserError, match=rf"params.yaml:{line}: runtime.precision is bf16, .* Set precision to auto or fp32"):
        params.load()
