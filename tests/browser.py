"""A page in headless Chromium, over its DevTools pipe: what it shows, asks for and complains about."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None)
# https://chromedevtools.github.io/devtools-protocol/: JSON messages, each ended by a NUL, over two pipes.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe")


class Browser:
    """One tab. `requests` are the URLs that pages asked for, `complaints` what the console and the log said."""

    def __init__(self) -> None:
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        ours_out, theirs_in = os.pipe()
        theirs_out, ours_in = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4: a shell puts the pipes there, whatever their numbers are here.
        command = ["bash", "-c", f'exec "$0" "$@" 3<&{ours_out} 4>&{ours_in}', CHROMIUM or "", *FLAGS, f"--user-data-dir={self.profile}"]
        self.process = subprocess.Popen(command, pass_fds=(ours_out, ours_in), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(ours_out)
        os.close(ours_in)
        self.out, self.inside = os.fdopen(theirs_in, "wb", buffering=0), os.fdopen(theirs_out, "rb")
        self.count, self.rest, self.session = 0, b"", None
        self.events: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.inside.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """Sends one command and returns its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": values} | ({"sessionId": self.session} if self.session else {})
        self.out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.count:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        """Returns the next message; an event is kept."""
        while b"\0" not in self.rest:
            part = os.read(self.inside.fileno(), 1 << 16)
            assert part, "Chromium ended: is it installed whole?"
            self.rest += part
        raw, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(raw)
        method, values = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(values["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(values["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(values["entry"]["text"])
        self.events.append(message)
        return message

    def look(self, path: Path, wide: int, scheme: str = "light", high: int = 844, media: str = "") -> None:
        """Opens a file as a screen of the given width in CSS pixels shows it; scheme : light or dark; media : print, or nothing for the screen."""
        self.call("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=wide < 600)
        self.call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self._next()

    def ask(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def shoot(self, path: Path) -> None:
        """Saves a picture of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]))
