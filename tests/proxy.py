"""A network that fails: a proxy that ends a connection at a message."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

from conftest import CANARY, connected

BACKEND_KEY = b"K\x00\x00\x00\x0c"


class Proxy:
    """Forwards connections until a client's message holds ``word``, then does ``what``.

    - ``lost``: the message never arrives, and the connection is gone;
    - ``unanswered``: it arrives and is done, and its answer is lost;
    - ``gone``: as that, and nobody can connect any more;
    - ``terminated``: an administrator ends the server process just before.

    Once only; what comes later is forwarded.
    """

    def __init__(self, dsn: str, word: bytes, what: str):
        self.happened = threading.Event()
        self.messages: list[bytes] = []  # what clients sent
        self._word = word
        self._what = what
        self._dsn = dsn
        self._at = dict(part.split("=", 1) for part in dsn.split())
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    def __enter__(self) -> Proxy:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for each in [self._listening, *self._open]:
            _end(each)

    @property
    def url(self) -> str:
        """The address of the database behind it."""
        port = self._listening.getsockname()[1]
        user, name = quote(self._at["user"]), self._at["dbname"]
        return f"postgresql://{user}:{CANARY}@127.0.0.1:{port}/{name}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(f"{self._at['host']}/.s.PGSQL.{self._at['port']}")
                self._open += [client, server]
                connection = _Connection(self, client, server)
                self._start(connection.forward)
                self._start(connection.back)

    def _start(self, action: Callable[[], None]) -> None:
        threading.Thread(target=action, daemon=True).start()

    def concerns(self, message: bytes) -> bool:
        """Say whether it is to happen now."""
        if self._word not in message or self.happened.is_set():
            return False
        self.happened.set()
        return True

    def happen(self, connection: _Connection, message: bytes) -> None:
        """Do to the connection what is to happen to it."""
        if self._what == "gone":
            _end(self._listening)
        if self._what == "terminated":
            with connected(self._dsn) as execute:
                execute(f"SELECT pg_terminate_backend({connection.pid})")
        elif self._what in ("unanswered", "gone"):
            connection.answered.clear()
            connection.deaf = True
            connection.server.sendall(message)
            connection.answered.wait(30)
        if self._what != "terminated":
            _end(connection.client)
            _end(connection.server)


class _Connection:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket):
        self.client, self.server = client, server
        self.pid = 0
        self.deaf = False
        self.answered = threading.Event()
        self._proxy = proxy

    def forward(self) -> None:
        with suppress(OSError):
            while message := self.client.recv(65536):
                self._proxy.messages.append(message)
                if self._proxy.concerns(message):
                    self._proxy.happen(self, message)
                else:
                    self.server.sendall(message)
        _end(self.server)

    def back(self) -> None:
        with suppress(OSError):
            while answer := self.server.recv(65536):
                if not self.pid and (at := answer.find(BACKEND_KEY)) >= 0:
                    self.pid = int.from_bytes(answer[at + 5 : at + 9])
                if not self.deaf:
                    self.client.sendall(answer)
                self.answered.set()
        _end(self.client)


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
