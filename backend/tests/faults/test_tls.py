"""TLS: encrypted and verified connections, to a proxy that ends TLS as Neon's does.

The wheel's PostgreSQL is built without TLS; what matters here is libpq's side of it, in asynchronous mode.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg2
import pytest

from src.db import Database
from src.errors import DatabaseUnavailableError
from src.postgres.connecting import Connector
from tests.faults.conftest import StartService
from tests.faults.test_data_layer import ECHO, SLOW, gone, run
from tests.support import canaries, certificates
from tests.support.certificates import Files
from tests.support.postgres_server import Postgres
from tests.support.tls_front import TlsFront, tls_front
from tests.support.tokens import bearer, make_token


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def front(postgres: Postgres, files: Files) -> Iterator[TlsFront]:
    with tls_front(postgres.port, files) as running:
        yield running


@pytest.mark.parametrize("mode", [pytest.param("require", marks=pytest.mark.stress), "verify-full"])
def test_the_service_over_tls(
    start_service: StartService, front: TlsFront, database: str, files: Files, mode: str
) -> None:
    url = f"postgresql://postgres@localhost:{front.port}/{database}?sslmode={mode}&channel_binding=prefer"
    service = start_service(f"{url}&sslrootcert={files.authority}")
    service.wait_ready()
    with httpx.Client(base_url=service.url + "/api/alice", headers=bearer(make_token("alice"))) as client:
        for _ in range(50):
            assert client.post("/tasks", json={"title": canaries.TITLE, "description": "b" * 1000}).status_code == 201
        assert len(client.get("/tasks").json()) == 50


@pytest.mark.parametrize("wrong", ["host", "authority"])
def test_verify_full_refuses_another_server(
    front: TlsFront, database: str, files: Files, tmp_path: Path, wrong: str
) -> None:
    authority = certificates.make(tmp_path).authority if wrong == "authority" else files.authority
    host = "elsewhere.test" if wrong == "host" else "localhost"
    url = f"postgresql://postgres@{host}:{front.port}/{database}?sslmode=verify-full&sslrootcert={authority}"

    async def main() -> None:
        with pytest.raises(psycopg2.OperationalError, match="certificate"):
            await Connector(f"{url}&hostaddr=127.0.0.1", 5).connect()

    asyncio.run(main())


def test_answers_in_tls_records_larger_than_libpq_reads_at_once(front: TlsFront, database: str, files: Files) -> None:
    async def test(db: Database) -> None:
        for size in [*range(1_000, 70_000, 1_111), 500_000, 3_000_000]:
            text = "x" * size
            assert await ECHO.run(db, text=text) == text, size

    url = f"postgresql://postgres@localhost:{front.port}/{database}?sslmode=verify-full"
    run(f"{url}&sslrootcert={files.authority}", test, db_statement_timeout=3)


def test_a_statement_is_ended_over_tls(front: TlsFront, postgres: Postgres, database: str, files: Files) -> None:
    async def test(db: Database) -> None:
        with pytest.raises(DatabaseUnavailableError):
            await SLOW.run(db)
        await gone(postgres, database)

    url = f"postgresql://postgres@localhost:{front.port}/{database}?sslmode=verify-full"
    run(f"{url}&sslrootcert={files.authority}", test, db_statement_timeout=0.3)


def test_the_system_s_authorities_are_found(
    start_service: StartService, front: TlsFront, database: str, files: Files
) -> None:
    """Of a system whose only authority is the test's: OpenSSL and Python learn from a variable where its file is."""
    url = f"postgresql://postgres@localhost:{front.port}/{database}?sslmode=verify-full&sslrootcert=system"
    start_service(url, ssl_cert_file=files.authority).wait_ready()


def test_the_system_s_authorities_are_not_those_of_the_test(front: TlsFront, database: str) -> None:
    """Without that variable, and found all the same: it is the certificate that is refused, not a file missing."""
    url = f"postgresql://postgres@localhost:{front.port}/{database}?sslrootcert=system"

    async def main() -> None:
        with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
            await Connector(url, 5).connect()

    asyncio.run(main())
