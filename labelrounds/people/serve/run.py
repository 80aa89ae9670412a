"""Starts the page: finds what is asked, says who may enter, and serves until it is ended."""

import contextlib
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from labelrounds.core import params, paths
from labelrounds.core.errors import UserError
from labelrounds.people.serve import access, finish, work


def loader(source: str, form: Path | None, again: int | None, checks: int | None, blind: bool, settings: params.Params) -> Callable[[], work.Work]:
    """Returns what finds the texts to ask, now and after each round. source : queue, suspects or settle, where no other is given"""
    if form is not None:
        return partial(work.of_file, form, settings, blind)
    if again is not None:
        return partial(work.of_second_opinions, again, settings)
    if checks is not None:
        return partial(work.of_audit, checks, settings)
    if source == "suspects":
        return partial(work.of_suspects, settings)
    if source == "settle":
        return partial(work.of_disagreements, settings, blind)
    return partial(work.of_queue, settings, blind)


def serve(
    load: Callable[[], work.Work],
    settings: params.Params,
    port: int,
    host: str,
    people: tuple[str, ...],
    renewed: tuple[str, ...],
    known_as: tuple[str, ...],
    no_browser: bool,
) -> None:
    """Serves the page until Ctrl+C. A host beyond this machine needs people with links."""
    names = [_name(given) for given in (*people, *renewed)]
    if not access.is_loopback(host) and not names:
        raise click.UsageError(f"--host {host} lets others reach the page: say who may enter, such as --person ana --person ben.")
    try:
        import markdown_it  # noqa: F401
        import uvicorn

        from labelrounds.people.serve import app
        from labelrounds.people.serve.room import Room
    except ImportError:
        raise UserError('the labelling page needs starlette, uvicorn and markdown-it-py. Type: pip install "labelrounds[serve]"') from None
    first = load()
    with finish.alone() as address:
        doors = access.Doors(paths.INBOX / "people.json", open=not names)
        room = Room(load, doors, settings, first)
        doors.open_up()
        listening = listen(host, port)
        port = listening.getsockname()[1]
        shown = f"http://{f'[{host}]' if ':' in host else socket.gethostname() if host == '0.0.0.0' else host}:{port}/"
        address.write_text(f"{shown}\n", encoding="utf-8")
        assert room.work is not None
        click.echo(f"{len(room.work.items)} texts of {room.work.title} wait at {shown}")
        links = _say_who_may_enter(doors, names, {_name(name) for name in renewed}, shown)
        click.echo("End it with Ctrl+C. Every label is kept in data/inbox until the round is finished.")
        sys.stdout.flush()
        site = app.make(room, access.hosts(host, port, known_as), f"labelrounds-{port}", Path.cwd().name or "labelrounds")
        config = uvicorn.Config(
            site, log_level="warning", access_log=False, lifespan="off", server_header=False, proxy_headers=False, ws="none", http="h11",
            timeout_keep_alive=120, timeout_graceful_shutdown=2, limit_concurrency=1000,
        )  # fmt: skip
        if not no_browser and access.is_loopback(host):
            threading.Thread(target=_open, args=(links[0] if links else shown,), daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
        if finish.waiting():
            click.echo("\nLabels wait in data/inbox. Go on with the same command, or write the round: labelrounds import")


def _name(given: str) -> str:
    name = access.named(given)
    if name is None:
        raise click.UsageError(f'"{given[:70]}" cannot be a person: a name begins with a letter or a digit and has no semicolon.')
    return name


def _say_who_may_enter(doors: access.Doors, names: list[str], renewed: set[str], shown: str) -> list[str]:
    """Prints each person's link, where it is new, and returns these. Whoever is not named stays outside until named again."""
    links = []
    for name in dict.fromkeys(names):
        token = doors.invite(name, name in renewed)
        if token is None:
            click.echo(f"  {name} enters by the link of before (--new-link {name} makes another)")
        else:
            links.append(f"{shown}in/{token}")
            click.echo(f"  {name} enters by {links[-1]}")
    for name in sorted(doors.people.keys() - set(names)) if names else []:
        click.echo(f"  {name} enters by the link of before (take {name} out of data/inbox/people.json to end that)")
    return links


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens there, whose connections send what they have at once; a UserError where that cannot be."""
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256)
    except OSError as error:
        raise UserError(
            f"cannot listen at {host}:{port}: {error.strerror or error}. Choose another --port (0: any free one), or another --host."
        ) from None
    # Connections inherit it. asyncio sets it only on sockets of its own making, and without it the end of an answer waits 40 ms for the
    # browser's word that the beginning has come.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _open(address: str) -> None:
    time.sleep(0.3)
    webbrowser.open(address)
