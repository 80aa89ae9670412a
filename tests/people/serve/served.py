"""`labelrounds serve` as a process of its own, and a person in front of it in headless Chromium."""

import re
import signal
import subprocess
from pathlib import Path

from tests.browser import Browser
from tests.conftest import ENVIRONMENT

AXE = Path(__file__).parents[2] / "vendor/axe-core/axe.min.js"
READY = "document.body.dataset.ready === 'yes' && !document.body.classList.contains('waiting')"


class Served:
    """A page that is served from a project's folder until `end` or `kill`; `start` again takes the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options, self.port = folder, options, 0
        self.start()

    def start(self) -> None:
        command = ["labelrounds", "serve", "--no-browser", "--port", str(self.port), *self.options]
        self.process = subprocess.Popen(command, cwd=self.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout
        self.said = ""
        while "End it with" not in self.said:
            line = self.process.stdout.readline()
            assert line, f"the page was not served:\n{self.said}"
            self.said += line
        self.address = re.findall(r"http://\S+/", self.said)[0]
        self.port = int(self.address.rpartition(":")[2].strip("/"))
        self.links = dict(re.findall(r"^  (\S+) enters by (http\S+)$", self.said, re.MULTILINE))

    def kill(self) -> None:
        """Ends the server as a power cut would."""
        self.process.kill()
        self.process.wait()

    def end(self) -> str:
        """Ends the server as Ctrl+C does and returns all that it said."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=30)
        return self.said + said

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Hands:
    """What a person does on the page: looks at it and presses keys."""

    def __init__(self, browser: Browser, served: Served, name: str) -> None:
        self.browser, self.served, self.name = browser, served, name
        self.look()
        browser.open(served.links.get(name, served.address))
        if browser.ask("document.getElementById('name') !== null"):
            browser.call("Input.insertText", text=name)
            browser.press("Enter")
        browser.wait(READY)

    def look(self) -> None:
        """Turns to this person's browser."""
        self.browser.turn_to(self.name)

    @property
    def text(self) -> str:
        return self.browser.ask("document.getElementById('text').textContent")

    def shows(self, what: str) -> str:
        """Returns the words of a part of the page, by its id."""
        return self.browser.ask(f"document.getElementById({what!r}).innerText.trim()")

    def press(self, *keys: str) -> None:
        """Presses keys, each once the page is ready for it."""
        for key in keys:
            self.browser.wait(READY)
            self.browser.press(key)
        self.browser.wait(READY)

    def reload(self) -> None:
        self.browser.open(self.served.address)
        self.browser.wait(READY)

    def faults(self) -> list[str]:
        """Returns what axe-core finds at fault on the page as it is, serious and critical, with the elements."""
        self.browser.call("Runtime.evaluate", expression=AXE.read_text(encoding="utf-8"))
        found = self.browser.ask("axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)")
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary']}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
