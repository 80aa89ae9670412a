"""`runtime.reproducible: portable` gives the same bytes on processors that qemu plays, and without it the same test finds a difference."""

import shutil
from pathlib import Path

import pytest

from benchmarks import portable
from tests.conftest import Project

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not shutil.which(portable.QEMU), reason="qemu-user is not installed: apt-get install qemu-user"),
]
BY_NAME = {setting.name: setting for setting in portable.SETTINGS}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return portable.tiny_project(tmp_path_factory.mktemp("portable"))


def test_three_processors_of_two_makers_give_the_same_bytes(project: Project, tmp_path: Path) -> None:
    found = portable.compared(project, BY_NAME["portable"], list(portable.PROCESSORS), tmp_path)
    assert found == {name: [] for name in portable.PROCESSORS}


def test_capped_kernels_alone_are_not_enough(project: Project, tmp_path: Path) -> None:
    """So the comparison above can fail. Of the processors one is of another maker than this machine's."""
    found = portable.compared(project, BY_NAME["+ oneDNN capped"], ["Haswell", "EPYC"], tmp_path)
    assert any(found.values())
