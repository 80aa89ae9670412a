"""Who may enter, and that what a page sends comes from our page and from the person whom it shows.

Links hold a token, of which only a hash is kept. A cookie says who somebody is, signed with a key of this project. What
changes anything needs a third word, which our pages alone know (against requests that another site makes a browser send).
"""

import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import socket
import time
import unicodedata
from collections import defaultdict, deque
from pathlib import Path

from labelrounds.core import files
from labelrounds.core.errors import UserError, at

LONGEST_NAME = 60
TRIES = 10  # wrong links or names from one address in a minute
PRESSES = 100  # requests of one person in a second


class Doors:
    """The people who may enter, in data/inbox/people.json. open : whoever reaches the page may enter by name alone"""

    def __init__(self, path: Path, open: bool) -> None:
        self.path, self.open = path, open
        known = _read(path)
        self.secret: str = known.get("secret") or secrets.token_hex(32)
        self.people: dict[str, str] = known.get("people", {})  # {name: SHA-256 of the token in the link}

    def open_up(self) -> None:
        """Keeps the key, so that cookies hold after a restart."""
        if not self.path.is_file():
            self._write()

    def invite(self, name: str, anew: bool = False) -> str | None:
        """Returns a new token for this person, or None where they have a link already. anew : make the old link useless"""
        if name in self.people and not anew:
            return None
        token = secrets.token_urlsafe(24)
        self.people[name] = _digest(token)
        self._write()
        return token

    def who(self, token: str) -> str | None:
        """Returns whose link has this token."""
        found = _digest(token)
        return next((name for name, digest in self.people.items() if hmac.compare_digest(digest, found)), None)

    def cookie(self, name: str) -> str:
        """Returns what the browser of this person shows at every later visit."""
        return f"{name.encode('utf-8').hex()}.{self._sign('in', name, self.people.get(name, ''))}"

    def person(self, cookie: str) -> str | None:
        """Returns whom a cookie belongs to; None where it is not ours, or where the person may not enter any more."""
        try:
            name = bytes.fromhex(cookie.partition(".")[0]).decode("utf-8")
        except ValueError:
            return None
        if not name or not hmac.compare_digest(cookie.encode(), self.cookie(name).encode()):
            return None
        return name if self.open or name in self.people else None

    def page_token(self, name: str) -> str:
        """Returns the word that a page made for this person sends along."""
        return self._sign("page", name)

    def is_page_of(self, name: str, token: str) -> bool:
        """Says whether a page that sends this word was made for this person."""
        return hmac.compare_digest(token.encode(), self.page_token(name).encode())

    def _sign(self, *words: str) -> str:
        return hmac.new(bytes.fromhex(self.secret), "\0".join(words).encode("utf-8"), hashlib.sha256).hexdigest()

    def _write(self) -> None:
        with files.atomic(self.path) as file:
            os.chmod(file.name, 0o600)
            file.write(json.dumps({"secret": self.secret, "people": self.people}, indent=2, ensure_ascii=False) + "\n")
        os.chmod(self.path, 0o600)


class Limit:
    """At most `n` events per name in `seconds`."""

    def __init__(self, n: int, seconds: float) -> None:
        self.n, self.seconds = n, seconds
        self.seen: dict[str, deque[float]] = defaultdict(deque)

    def reached(self, name: str) -> bool:
        """Says whether this name had its share."""
        times = self.seen[name]
        while times and time.monotonic() - times[0] > self.seconds:
            times.popleft()
        return len(times) >= self.n

    def count(self, name: str) -> None:
        """Counts one event."""
        if len(self.seen) > 10_000:  # addresses that will not come back
            self.seen.clear()
        self.seen[name].append(time.monotonic())


def named(given: str) -> str | None:
    """Returns a person's name as it stands in rounds; None where it cannot stand there."""
    name = " ".join(unicodedata.normalize("NFC", given).split())
    fits = 0 < len(name) <= LONGEST_NAME and name[0].isalnum() and all(sign.isprintable() for sign in name)
    return name if fits and ";" not in name else None


def is_loopback(host: str) -> bool:
    """Says whether nobody outside of this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hosts(host: str, port: int, further: tuple[str, ...]) -> set[str]:
    """Returns the addresses, exactly as a browser's `Host` spells them, under which the page may be asked for."""
    names = {host, *further}
    if host in ("0.0.0.0", "::"):
        name = socket.gethostname()
        names = {*further, "localhost", "127.0.0.1", "::1", name, *_addresses(name)}
    elif is_loopback(host):
        names |= {"localhost", "127.0.0.1", "::1"}
    shown = {f"[{name}]" if ":" in name and not name.startswith("[") else name for name in names}
    return {f"{name}:{port}".lower() for name in shown} | {name.lower() for name in further}


def _addresses(name: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None)}
    except OSError:
        return set()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _read(path: Path) -> dict:
    if not path.is_file():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        bytes.fromhex(known["secret"])
        if not all(isinstance(digest, str) for digest in known["people"].values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{at(path)}: damaged. Remove it: everybody then gets a new link, and no label is lost.") from None
    return known
