"""Where the page listens, and what its connections are told."""

import socket

import pytest

from labelrounds.core.errors import UserError
from labelrounds.people.serve import run


def test_an_answer_is_sent_at_once_and_does_not_wait_for_the_browser() -> None:
    with run.listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_one_error_that_names_another_way() -> None:
    with run.listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen at 127.0.0.1:{port}: .* Choose another --port"):
            run.listen("127.0.0.1", port)
