"""The event loop of the production server leaves lookups of names behind."""

import asyncio
import socket
import time

import pytest

from src.auth.key_set import KeySet
from src.config import Settings
from src.server.loop import Loop
from src.server.workers import _config
from tests.support.resolver import hanging_resolver, no_thread_left


def test_it_is_the_production_servers() -> None:
    assert _config(Settings(_env_file=None)).get_loop_factory() is Loop


def test_it_finds_what_the_system_finds() -> None:
    async def main() -> object:
        return await asyncio.get_running_loop().getaddrinfo("localhost", 443, type=socket.SOCK_STREAM)

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(main()) == socket.getaddrinfo("localhost", 443, type=socket.SOCK_STREAM)


def test_it_says_who_is_unknown() -> None:
    async def main() -> None:
        with pytest.raises(socket.gaierror):
            await asyncio.get_running_loop().getaddrinfo("nowhere.invalid", 443)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())


def test_a_system_without_a_thread_left_looks_like_a_network_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with no_thread_left(monkeypatch), pytest.raises(OSError, match="thread"):
            await loop.getaddrinfo("localhost", 443)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main())


def test_a_resolver_that_hangs_for_the_auth_server_holds_up_no_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        keys = KeySet("http://slow.example/api/auth/jwks")
        await keys.refresh()
        await keys.close()

    started = time.monotonic()
    with hanging_resolver(monkeypatch) as asked:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(main())
        assert time.monotonic() - started < 5, "the end waited for the resolver"
        assert asked == [b"slow.example"]
    assert [record.message for record in caplog.records if record.name == "src.auth.key_set"] == [
        "signing keys not fetched"
    ]
