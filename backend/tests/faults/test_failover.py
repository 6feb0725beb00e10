"""A primary and its standby, with real streaming replication: whatever becomes of the primary, writes go on.

Replication is synchronous, so that what was acknowledged is on the standby too; the rest is this service's business.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from src.postgres.connecting import Connector
from tests.faults.conftest import StartService
from tests.support import canaries
from tests.support.chaos import proxy_to
from tests.support.crowd import Crowd, crowd
from tests.support.polling import eventually
from tests.support.postgres_server import Postgres, connected_port
from tests.support.processes import ServiceProcess
from tests.support.tokens import bearer, make_token

pytestmark = pytest.mark.stress

DATABASE = "tasks"
ALICE = bearer(make_token("alice"))
UNTIL_NOTICED = 2.0  # seconds that whoever decides about the promotion takes


class Pair:
    """Two servers, of which one follows the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.primary = Postgres(folder / "first")
        self.primary.start()
        self.primary.execute(f"CREATE DATABASE {DATABASE}")
        self.standby = self._follow(None)

    def _follow(self, port: int | None) -> Postgres:
        folder = Path(tempfile.mkdtemp(dir=self._folder)) / "data"
        folder.parent.chmod(0o755)
        standby = Postgres(folder, standby_of=self.primary, port=port)
        standby.start()
        self.primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.execute("SELECT pg_reload_conf()")
        in_step = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        eventually(lambda: self.primary.execute(in_step), 20, "the standby is in step")
        return standby

    def url(self, *servers: Postgres, attributes: str = "read-write") -> str:
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        return f"postgresql://postgres@{hosts}/{DATABASE}?target_session_attrs={attributes}"

    def promote(self) -> float:
        """Let them change places, and return when."""
        self.primary, self.standby = self.standby, self.primary
        self.primary.promote()
        self.primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self.primary.execute("SELECT pg_reload_conf()")
        return time.monotonic()

    def replace(self) -> None:
        """Bring the server that was lost back, at its old address, as the standby."""
        self.standby = self._follow(self.standby.port)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory(prefix="tasks-pair-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        servers = Pair(Path(folder))
        yield servers
        for server in (servers.primary, servers.standby):
            if server.up:
                server.kill()


def creates(service: ServiceProcess) -> bool:
    reply = httpx.post(
        f"{service.url}/api/alice/tasks",
        headers=ALICE,
        json={"title": canaries.TITLE, "description": canaries.DESCRIPTION},
        timeout=30,
    )
    assert reply.status_code in {201, 503}, reply.text
    return reply.status_code == 201


def check(people: Crowd, service: ServiceProcess, primary: Postgres) -> None:
    assert not people.report.odd
    assert people.report.statuses.keys() <= {200, 201, 204, 503}
    assert people.report.statuses[200] > 0
    assert people.report.slowest < 12
    assert people.contradictions(lambda sql: primary.execute(sql, DATABASE)) == []
    assert service.answers("/health/ready")


def test_a_standby_is_preferred_whatever_the_order(pair: Pair) -> None:
    """As libpq has it: `load_balance_hosts` shuffles the hosts, not what is asked of them."""
    for order in ((pair.primary, pair.standby), (pair.standby, pair.primary)):
        connector = Connector(f"{pair.url(*order, attributes='prefer-standby')}&load_balance_hosts=random", 5)
        assert {connected_port(connector) for _ in range(8)} == {pair.standby.port}


@pytest.mark.parametrize("standby_first", [False, True])
@pytest.mark.parametrize("fault", [Postgres.kill, Postgres.hang])
def test_writes_go_on_after_a_promotion(
    start_service: StartService, pair: Pair, fault: Callable[[Postgres], None], standby_first: bool
) -> None:
    servers = (pair.standby, pair.primary) if standby_first else (pair.primary, pair.standby)
    service = start_service(pair.url(*servers))
    service.wait_ready()
    with crowd(service.port, 20, pause=0.01) as people:
        time.sleep(1)
        fault(pair.primary)
        time.sleep(UNTIL_NOTICED)
        promoted = pair.promote()
        eventually(lambda: creates(service), 8, "a write after the promotion")
        assert time.monotonic() - promoted < 8
        time.sleep(2)
    check(people, service, pair.primary)


def test_there_and_back_again(start_service: StartService, pair: Pair) -> None:
    service = start_service(pair.url(pair.primary, pair.standby))
    service.wait_ready()
    with crowd(service.port, 10, pause=0.01) as people:
        for fault in (Postgres.hang, Postgres.kill):
            time.sleep(1)
            fault(pair.primary)
            time.sleep(UNTIL_NOTICED)
            promoted = pair.promote()
            eventually(lambda: creates(service), 8, "a write after the promotion")
            assert time.monotonic() - promoted < 8
            if pair.standby.up:
                pair.standby.kill()
            pair.replace()
    check(people, service, pair.primary)


def test_old_connections_to_a_primary_that_was_demoted_behind_one_address_are_left(
    start_service: StartService, pair: Pair
) -> None:
    with proxy_to(pair.primary.port) as address:
        service = start_service(f"postgresql://postgres@127.0.0.1:{address.port}/{DATABASE}")
        service.wait_ready()
        with crowd(service.port, 20, pause=0.01) as people:
            time.sleep(3)  # so that no connection is new
            demoted = pair.primary
            demoted.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            demoted.execute("SELECT pg_reload_conf()")
            address.target = pair.standby.port
            promoted = pair.promote()
            eventually(lambda: creates(service), 8, "a write after the promotion")
            assert time.monotonic() - promoted < 8
            time.sleep(2)
        check(people, service, pair.primary)
