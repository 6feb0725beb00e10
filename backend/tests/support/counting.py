"""A proxy in front of PostgreSQL that records what the service really sends: its statements, off the wire."""

import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path

from psycopg2.extensions import parse_dsn


class CountingProxy:
    """Listens on TCP, forwards to a server and keeps the text of the client's Query messages (type `Q`)."""

    def __init__(self, url: str) -> None:
        self._target = parse_dsn(url)
        self.statements: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        given = {**self._target, "host": "127.0.0.1", "port": port, "sslmode": "disable"}
        self.url = "postgresql:///?" + "&".join(f"{name}={value}" for name, value in given.items())
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # shutdown() wakes the thread in accept(); close() alone would leave it there.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                threading.Thread(target=_pump, args=(server, client), daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = self._target.get("host", "localhost"), int(self._target.get("port", 5432))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(Path(host) / f".s.PGSQL.{port}"))
        return connection

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        """Pass the start-up message on, then message by message (protocol 3: type, length, body)."""
        with client, server, suppress(OSError, EOFError):
            first = _read(client, 4)
            server.sendall(first + _read(client, struct.unpack("!I", first)[0] - 4))
            while True:
                head = _read(client, 5)
                body = _read(client, struct.unpack("!I", head[1:])[0] - 4)
                if head[:1] == b"Q":
                    self.statements.append(body.rstrip(b"\0").decode())
                server.sendall(head + body)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)
