"""An auth server's key endpoint that behaves well or badly on request, and the tokens that its keys sign."""

import base64
import gzip
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.support.tokens import make_token

PATH = "/api/auth/jwks"
ALGORITHMS = ("EdDSA", "ES256", "ES512", "RS256", "PS256")
_RSA = (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm)
_MAKERS: dict[str, tuple[Callable[[], Any], Any]] = {
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "ES512": (lambda: ec.generate_private_key(ec.SECP521R1()), ECAlgorithm),
    "RS256": _RSA,
    "PS256": _RSA,
}


@cache
def private_key(alg: str, name: str) -> Any:
    """The same names give the same key, because an RSA key takes a while to make."""
    return _MAKERS[alg][0]()


@dataclass(frozen=True)
class Signer:
    """A key pair of the auth server."""

    kid: str
    alg: str = "EdDSA"
    name: str = "its own"

    @property
    def private(self) -> Any:
        return private_key(self.alg, self.name)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key, with the members that Better Auth writes."""
        public: dict[str, Any] = _MAKERS[self.alg][1].to_jwk(self.private.public_key(), as_dict=True)
        return {**{name: public[name] for name in public if name != "key_ops"}, "alg": self.alg, "kid": self.kid}

    def token(self, sub: object = "alice", **changes: Any) -> str:
        headers = {"typ": None, "kid": self.kid, **changes.pop("headers", {})}
        return make_token(sub, key=self.private, alg=self.alg, headers=headers, **changes)


@dataclass
class Answer:
    """What the endpoint says: with `pause` after `KeyServer.release` only, with `drip` byte by byte until then."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: bool = False
    drip: bool = False


def key_set(*items: object) -> Answer:
    return Answer(json.dumps({"keys": [item.jwk if isinstance(item, Signer) else item for item in items]}).encode())


def gzipped(answer: Answer) -> Answer:
    return Answer(gzip.compress(answer.body), headers={"Content-Encoding": "gzip"})


class KeyServer(ThreadingHTTPServer):
    """The endpoint on a real socket. `paths` are those that were asked for, in order, and `times` when that was."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = Answer(b"", 404)
        self.paths: list[str] = []
        self.times: list[float] = []  # seconds of a clock that is never set
        self.release = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def fetches(self) -> int:
        return len(self.paths)

    def token(self, signer: Signer, sub: object = "alice", **changes: Any) -> str:
        """A token as Better Auth would issue it: issuer and audience are its own origin."""
        return signer.token(sub, **{"iss": self.url, "aud": self.url, **changes})

    def stop(self) -> None:
        """From now on connections are refused."""
        self.release.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.times.append(time.monotonic())
        self.server.paths.append(self.path)
        answer = self.server.answer
        if answer.pause:
            self.server.release.wait(30)
        with suppress(OSError):  # the client may have had enough
            self._write(answer)

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        step = 1 if answer.drip else len(answer.body) or 1
        for start in range(0, len(answer.body), step):
            self.wfile.write(answer.body[start : start + step])
            if answer.drip:
                self.server.release.wait(0.2)

    def log_message(self, *_: object) -> None:
        """Keep the test output clean."""


@contextmanager
def key_server(*signers: Signer) -> Iterator[KeyServer]:
    server = KeyServer()
    server.answer = key_set(*signers)
    try:
        yield server
    finally:
        server.stop()


def forged(header: Any, claims: Any, key: bytes | None = None, digest: str = "sha256") -> str:
    """Put a token together by hand, with any key at all or unsigned: what libraries refuse to make."""
    head, payload = (_base64url(p if isinstance(p, bytes) else json.dumps(p).encode()) for p in (header, claims))
    signature = hmac.new(key, f"{head}.{payload}".encode(), digest).digest() if key is not None else b""
    return f"{head}.{payload}.{_base64url(signature)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
