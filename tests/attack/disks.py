"""Disks: one that is full and one that is read-only, in a namespace of this process's own where the machine allows that."""

import subprocess
from pathlib import Path

from tests.attack import place
from tests.attack.figures import Figures
from tests.conftest import ENVIRONMENT

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
COMMANDS = ["labelrounds import more.csv", "labelrounds draw 5 drawn.csv", "labelrounds next next.csv", "labelrounds status", "labelrounds results",
            "python -m stages.split", "python -m stages.gate", "python -m stages.report", "python -m stages.predict", "python -m stages.finetune baseline"]  # fmt: skip


def allowed() -> bool:
    """Says whether this machine lets a process mount something for itself."""
    try:
        return subprocess.run([*NAMESPACE, "mount -t tmpfs tmpfs /mnt"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def run(folder: Path, figures: Figures, commands: list[str] = COMMANDS) -> None:
    """Runs commands where nothing can be written, and where a few kilobytes can."""
    if not allowed():
        return
    project, answers = place.made(folder, whole=False)
    for name in ("base", "split", "corpus", *place.BRIEF[1:]):
        place.ran(project, *place.stage(name))
    text = list(answers)[130]
    project.write("more.csv", f"text,label,annotator\n{text},{answers[text]},ben\n")
    whole = place.digests(project)
    here = project.folder
    for attack, mounts in (
        ("a read-only disk", f"mount --bind {here} {here} && mount -o remount,bind,ro {here}"),
        (
            "a full disk",
            f"mkdir -p {folder}/m && mount -t tmpfs -o size=20m tmpfs {folder}/m && cp -r {here}/. {folder}/m 2>/dev/null; "
            f"mount --bind {folder}/m {here}; dd if=/dev/zero of={here}/fill bs=1k 2>/dev/null; truncate -s -4k {here}/fill",
        ),
    ):
        for command in commands:
            process = subprocess.Popen(
                [*NAMESPACE, f"{mounts}; cd {here} && exec {command}"],
                env=ENVIRONMENT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            code, said, _ = place.ended(process, 120)
            figures.ended(attack, code, said, 0, command)
            if place.digests(project) != whole:
                figures.fault(attack, "lost or wrong", f"{command} changed what is outside")
