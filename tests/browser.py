"""A page in headless Chromium, over its DevTools pipe: what it shows, asks for and complains about."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
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
        self.persons: dict[str, str] = {}  # {who: their tab}
        self.events: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._tab()

    def _tab(self, **where: str) -> None:
        """Opens a tab and turns to it."""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank", **where)["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def turn_to(self, person: str) -> None:
        """Turns to somebody's own browser, with cookies of their own; the first time it is opened."""
        if person not in self.persons:
            self.session = None
            self._tab(browserContextId=self.call("Target.createBrowserContext")["browserContextId"])
            self.persons[person] = self.session or ""
        self.session = self.persons[person]
        self.call("Page.bringToFront")

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
        self.as_screen(wide, scheme, high, media)
        self.open(path.resolve().as_uri())

    def as_screen(self, wide: int, scheme: str = "light", high: int = 844, media: str = "") -> None:
        """Shows pages as a screen of this width in CSS pixels does."""
        self.call("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=wide < 600)
        self.call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, address: str) -> None:
        """Opens an address and waits until all of it is there."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        while not any(event.get("method") == "Page.loadEventFired" and event.get("sessionId") == self.session for event in self.events):
            self._next()

    def press(self, *keys: str) -> None:
        """Presses keys one after the other: a character, or Enter or Escape."""
        for key in keys:
            code = f"Key{key.upper()}" if key.isalpha() and len(key) == 1 else f"Digit{key}" if key.isdigit() else key if len(key) > 1 else ""
            typed = {"Enter": "\r", "Escape": ""}.get(key, key)
            virtual = {"Enter": 13, "Escape": 27}.get(key, ord(key.upper()) if len(key) == 1 else 0)
            down = {"text": typed} if typed else {}
            self.call("Input.dispatchKeyEvent", type="keyDown" if typed else "rawKeyDown", key=key, code=code, windowsVirtualKeyCode=virtual, **down)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=code, windowsVirtualKeyCode=virtual)

    def wait(self, expression: str, seconds: float = 20) -> Any:
        """Returns the value of a JavaScript expression once it is true; what a page that is still loading lacks is not true."""
        end = time.monotonic() + seconds
        while not (value := self.ask(f"(() => {{ try {{ return {expression} }} catch {{ return null }} }})()")):
            assert time.monotonic() < end, f"{expression} was never true; the page says:\n{self.ask('document.body?.innerText')}"
            time.sleep(0.01)
        return value

    def ask(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def shoot(self, path: Path, whole: bool = True) -> None:
        """Saves a picture of the page. whole : also of what a screen would have to scroll to"""
        if not whole:
            path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
            return
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]))
