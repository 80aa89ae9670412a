"""The routes: a page, what its keys send, and who may send it."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from anyio import to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from labelrounds.people.serve import access, finish, journal
from labelrounds.people.serve.desk import Answered
from labelrounds.people.serve.forms import Refused, cleaned, form, key_of, labels_of, reason_of, seconds_of, tab_of
from labelrounds.people.serve.room import REASONS, Room, now

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


class Guard:
    """Lets through what is asked under our own address and, if it changes anything, by our own page."""

    def __init__(self, app: Any, hosts: set[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self.app)(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "").lower()
        if host not in self.hosts:
            return Response("This address is not one of this page's. See labelrounds serve --help.", 421, media_type="text/plain")
        if request.method in ("GET", "HEAD"):
            return None
        origin = request.headers.get("origin")
        own = origin.partition("://")[2].lower() == host if origin else request.headers.get("sec-fetch-site") == "same-origin"
        return None if own else Response("Another page sent this. Nothing was kept.", 403, media_type="text/plain")


def make(room: Room, hosts: set[str], cookie: str, title: str) -> Guard:
    """Returns the application. cookie : its name, one per address; title : the project's name"""
    environment = Environment(loader=PackageLoader("labelrounds.people.serve"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    tries, presses = access.Limit(access.TRIES, 60), access.Limit(access.PRESSES, 1)

    def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        common = {"title": title, "person": None, "page_token": "", "open": room.doors.open, "work": room.work}
        return HTMLResponse(environment.get_template(name).render({**common, **values}), status)

    def person_of(request: Request) -> str | None:
        return room.doors.person(request.cookies.get(cookie, ""))

    def signed_in(name: str) -> Response:
        answer = RedirectResponse("/", 303)
        answer.set_cookie(cookie, room.doors.cookie(name), max_age=180 * 86400, httponly=True, samesite="lax", path="/")
        return answer

    def check_tries(request: Request) -> str:
        address = request.client.host if request.client else ""
        if tries.reached(address):
            raise Refused(429, "Too many tries. Wait a minute, then open your link again.")
        return address

    async def home(request: Request) -> Response:
        person = person_of(request)
        if person is None:
            return page("enter.html", message="")
        values: dict[str, Any] = {"person": person, "page_token": room.doors.page_token(person)}
        if room.closed or room.work is None:
            return page("over.html", outcome=room.outcome, closed=room.closed, **values)
        state = room.state(person, "")
        labels = [
            {"name": label, "key": room.keys[label], "description": room.settings.task.descriptions.get(label, "")} for label in room.task.labels
        ]
        return page(
            "label.html",
            **values,
            state=state,
            item=state["items"][0] if state["items"] else None,
            labels=labels,
            multi=room.task.multi_label,
            reasons=REASONS,
            guideline=room.guideline,
            examples=room.examples,
            outcome=room.outcome,
            message=SAID.get(request.query_params.get("said", ""), ""),
        )

    async def enter(request: Request) -> Response:
        fields, address = await form(request), check_tries(request)
        name = access.named(fields.get("name", [""])[0])
        if not room.doors.open:
            return page("enter.html", 403, message="")
        if name is None:
            tries.count(address)
            told = f"A name begins with a letter or a digit, has no semicolon and at most {access.LONGEST_NAME} characters."
            return page("enter.html", 400, message=told)
        return signed_in(name)

    async def by_link(request: Request) -> Response:
        address = check_tries(request)
        name = room.doors.who(request.path_params["token"])
        if name is None:
            tries.count(address)
            return page("enter.html", 403, message="Nobody has this link, or not any more. Ask whoever runs this page for a new one.")
        return signed_in(name)

    async def leave(request: Request) -> Response:
        await form(request)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(cookie, path="/")
        return answer

    async def state(request: Request) -> Response:
        person = person_of(request)
        if person is None:
            raise Refused(401, "You are signed out. Open your link again.")
        if room.closed:
            raise Refused(503, "The round is being written.")
        return JSONResponse(room.state(person, tab_of(request.query_params.get("tab", ""))))

    async def checked(request: Request) -> tuple[str, dict[str, list[str]]]:
        """Returns who sent a form from a page that was made for them, and its fields."""
        fields, person = await form(request), person_of(request)
        if person is None:
            raise Refused(401, "You are signed out. Open your link again; this label was not kept.")
        if not room.doors.is_page_of(person, fields.get("page", [""])[0]):
            raise Refused(403, f"This page was not made for {person}, who is signed in now. Load it again; nothing was kept.")
        if presses.reached(person):
            raise Refused(429, "Too fast for one person. Wait a second.")
        presses.count(person)
        return person, fields

    def working() -> None:
        if room.closed:
            raise Refused(503, "The round is being written. This will be sent again.")
        if room.work is None:
            raise Refused(410, "The round is finished. Load the page again.")

    def said(request: Request, person: str, fields: dict[str, list[str]], how: str) -> Response:
        if "application/json" not in request.headers.get("accept", ""):
            return RedirectResponse(f"/?said={how}", 303)
        return JSONResponse(room.state(person, tab_of(fields.get("tab", [""])[0])))

    async def answer(request: Request) -> Response:
        """Keeps a label or a skip, then says what comes next."""
        person, fields = await checked(request)
        working()
        skip = request.url.path == "/skip"
        identity = fields.get("id", [""])[0]
        if room.work is None or identity not in room.work.items:
            raise Refused(409, "This text is not asked any more.", state=room.state(person, tab_of(fields.get("tab", [""])[0])))
        event = journal.Event(
            journal.SKIP if skip else journal.LABEL,
            person,
            identity,
            key_of(fields),
            now(),
            labels=() if skip else labels_of(fields, room),
            reason=reason_of(fields) if skip else "",
            note=cleaned(fields.get("note", [""])[0]),
            seconds=seconds_of(fields, room.desk.seconds_shown(identity, person, tab_of(fields.get("tab", [""])[0]))),
            guideline=fields.get("guideline", [""])[0] if re.fullmatch(r"[0-9a-f]{12}", fields.get("guideline", [""])[0]) else "",
            suggested=room.work.items[identity].suggestion,
            score=room.work.items[identity].confidence,
        )
        try:
            room.desk.say(event, change="change" in fields)
        except Answered as found:
            if "application/json" not in request.headers.get("accept", ""):
                return RedirectResponse("/?said=before", 303)
            told = {"id": identity, "labels": list(found.event.labels), "skipped": found.event.do == journal.SKIP}
            raise Refused(409, "before", before=told, state=room.state(person, tab_of(fields.get("tab", [""])[0]))) from None
        return said(request, person, fields, "skipped" if skip else "kept")

    async def undo(request: Request) -> Response:
        person, fields = await checked(request)
        working()
        found = room.desk.undo(person, key_of(fields), now())
        return said(request, person, fields, "back" if found else "first")

    async def end(request: Request) -> Response:
        """Shows what would become the round; a form on that page writes it."""
        if request.method == "GET":
            person = person_of(request)
            if person is None or room.work is None or room.closed:
                return RedirectResponse("/", 303)
            events = finish.standing(room.desk.journal.events)
            counts: dict[str, list[int]] = {}
            for event in events:
                counts.setdefault(event.person, [0, 0])[event.do == journal.SKIP] += 1
            return page("finish.html", person=person, page_token=room.doors.page_token(person), counts=sorted(counts.items()))
        await checked(request)
        working()
        room.closed = True
        try:
            await to_thread.run_sync(room.finish)
        finally:
            room.closed = False
        return RedirectResponse("/", 303)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"error": error.args[0], **error.more}, error.status)
        return page("message.html", error.status, message=error.args[0])

    async def disk(request: Request, error: Exception) -> Response:
        told = f"This was not kept: {getattr(error, 'strerror', None) or 'the disk cannot be written'}. Make room on the disk; the page tries again."
        return (
            JSONResponse({"error": told}, 507) if "application/json" in request.headers.get("accept", "") else page("message.html", 507, message=told)
        )

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=400)

    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {Refused: refused, OSError: disk, ClientDisconnect: gone}
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/enter", enter, methods=["POST"]),
            Route("/in/{token:str}", by_link),
            Route("/leave", leave, methods=["POST"]),
            Route("/state", state),
            Route("/label", answer, methods=["POST"]),
            Route("/skip", answer, methods=["POST"]),
            Route("/undo", undo, methods=["POST"]),
            Route("/finish", end, methods=["GET", "POST"]),
            Mount("/static", StaticFiles(packages=[("labelrounds.people.serve", "static")])),
        ],
        exception_handlers=handlers,
    )
    return Guard(app, hosts)


SAID = {
    "kept": "Kept.",
    "skipped": "Skipped.",
    "back": "Taken back.",
    "first": "There is nothing to take back.",
    "before": "You answered that text before, in another tab: that stands. Undo takes your last answer back.",
}
