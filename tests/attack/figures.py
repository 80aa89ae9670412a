"""What was tried, how often, and what came out."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

HANG = 20.0  # seconds
WANTED = ("lost or wrong", "tracebacks", "unforeseen", "hangs", "odd exit codes")


@dataclass
class Figures:
    """Counts by attack; `each` counts the kills of each stage and command; `found` holds a line for each fault."""

    tried: Counter[str] = field(default_factory=Counter)
    faults: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    found: list[str] = field(default_factory=list)
    each: Counter[str] = field(default_factory=Counter)

    def fault(self, attack: str, kind: str, what: str) -> None:
        """Counts a fault of one of the kinds WANTED."""
        self.faults[attack][kind] += 1
        self.found.append(f"{attack}: {kind}: {what}")

    def ended(self, attack: str, code: int, output: str, seconds: float, what: str) -> None:
        """Counts a command that ended by itself, and what was wrong with its end."""
        self.tried[attack] += 1
        if "Traceback (most recent call last)" in output:
            self.fault(attack, "tracebacks", f"{what}: {output.strip().splitlines()[-1][:200]}")
        if "nobody has foreseen" in output:
            self.fault(attack, "unforeseen", f"{what}: {output[output.index('labelrounds has a fault') :][:120]}")
        if code not in (0, 1, 2):
            self.fault(attack, "odd exit codes", f"{what}: {code}")
        if seconds > HANG:
            self.fault(attack, "hangs", f"{what}: {seconds:.0f} s")

    @property
    def clean(self) -> bool:
        return not self.found

    def table(self) -> str:
        """Returns the figures as a table in Markdown."""
        lines = [f"| attack | tried | {' | '.join(WANTED)} |", f"|---|---{'|---' * len(WANTED)}|"]
        for attack, count in self.tried.items():
            lines.append(f"| {attack} | {count:,} | {' | '.join(str(self.faults[attack][kind]) for kind in WANTED)} |")
        if self.each:
            kills = ", ".join(f"{name} {count}" for name, count in sorted(self.each.items()))
            least = min(self.each.values())
            lines += ["", f"{sum(self.each.values())} kills of {len(self.each)} stages and commands, of each {least} or more: {kills}."]
        return "\n".join(lines)
