"""Each image, running beside a real PostgreSQL: what a platform and a user see of it."""

import re
import time
from contextlib import closing
from pathlib import Path

import httpx
import psycopg2
import pytest

from tests.images.containers import (
    HARDENED,
    IMAGES,
    Container,
    Image,
    Running,
    age,
    assert_a_task_can_be_kept,
    podman,
    ready_url,
    serve,
    until,
)
from tests.support.tokens import bearer, make_token

READY_SECONDS = 3
STOP_SECONDS = 5
SPACE = IMAGES[1]
# Prints how strictly a database's certificate would be judged, and by how many authorities.
AUTHORITIES = """
import ssl
from psycopg2.extensions import parse_dsn
from src.postgres.connecting import with_defaults
given = parse_dsn(with_defaults("postgresql://h/db?sslrootcert=system"))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.load_verify_locations(given["sslrootcert"])
print(given["sslmode"], len(context.get_ca_certs()))
"""


def test_it_keeps_a_task(running: Running, secret: str) -> None:
    assert_a_task_can_be_kept(running.url, secret)


def test_it_serves_its_documentation_to_be_framed(running: Running) -> None:
    docs = httpx.get(f"{running.url}/docs")
    assert docs.status_code == 200
    assert "swagger" in docs.text.lower()
    assert "X-Frame-Options" not in docs.headers
    assert httpx.get(f"{running.url}/openapi.json").json()["info"]["title"] == "Tasks API"


def test_it_has_the_certificate_authorities_that_sslrootcert_system_stands_for(running: Running) -> None:
    mode, count = (podman("exec", running.container.id, "python", "-c", AUTHORITIES) or "").split()
    assert mode == "verify-full"
    assert int(count) > 50  # of the public ones; some 120 to 150


def test_it_writes_nothing_into_its_file_system(running: Running, secret: str) -> None:
    assert_a_task_can_be_kept(running.url, secret)
    changed = {line.split()[1] for line in (podman("diff", running.container.id) or "").splitlines()}
    # What podman itself puts there for every container.
    assert changed <= {"/etc", "/etc/mtab", "/run", "/run/.containerenv", "/run/secrets"}


def test_it_is_ready_soon_after_the_process_starts(running: Running, settings: dict[str, str]) -> None:
    ages = [running.age]
    # On a busy machine, everything else that takes part (the database, this test) is late too.
    while ages[-1] >= READY_SECONDS and len(ages) < 3:
        container = serve(running.image, settings)
        pid = container.state()["State"]["Pid"]
        ready_url(container, running.image.port)
        ages.append(age(pid))
        container.remove()
    print(f"{running.image.dockerfile}: ready {ages[-1]:.1f} s after the start of the process")
    assert ages[-1] < READY_SECONDS


def kibibytes(container: Container, name: str) -> int:
    """What the kernel says of the memory of the container's first process."""
    status = Path(f"/proc/{container.state()['State']['Pid']}/status").read_text()
    return int(re.findall(rf"{name}:\s+(\d+) kB", status)[0])


def test_long_lists_one_after_another_leave_no_copies_behind(
    image: Image, settings: dict[str, str], database: str, secret: str, containers: list[Container]
) -> None:
    containers.append(serve(image, settings))
    url, users = ready_url(containers[0], image.port), {f"long-{image.user}": 100_000, f"short-{image.user}": 1_000}
    with closing(psycopg2.connect(database)) as connection, connection, connection.cursor() as cursor:
        for user, tasks in users.items():
            rows = "SELECT %s, 'task ' || n FROM generate_series(1, %s) AS n"
            cursor.execute(f"INSERT INTO tasks (user_id, title) {rows}", [user, tasks])

    def read(user: str, times: int) -> float:
        """Return the KiB of the last body."""
        with httpx.Client(headers=bearer(make_token(user, key=secret)), timeout=30) as client:
            return [len(client.get(f"{url}/api/{user}/tasks").content) for _ in range(times)][-1] / 1024

    long, short = users
    read(short, 200)
    before = kibibytes(containers[0], "VmRSS")
    body = read(long, 10)
    assert kibibytes(containers[0], "VmHWM") - before < 2.7 * body


@pytest.mark.parametrize("running", [SPACE], indirect=True, ids=["Dockerfile.spaces"])
def test_the_space_keeps_https_behind_its_proxy(running: Running) -> None:
    headers = {"Host": "owner-name.hf.space", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    for path in ("/", "/docs", "/docs/", "/api/alice/tasks/"):
        answer = httpx.get(f"{running.url}{path}", headers=headers)
        assert not answer.headers.get("Location", "").startswith("http:")
        assert "http://owner-name" not in answer.text


def test_without_an_init_process_it_stops_on_sigterm_with_status_0(
    image: Image, settings: dict[str, str], containers: list[Container]
) -> None:
    containers.append(serve(image, settings))
    ready_url(containers[0], image.port)
    assert_sigterm_ends(containers[0])


def test_several_workers_need_no_more_than_a_writable_tmp_and_no_user_of_their_own(
    image: Image, settings: dict[str, str], secret: str, containers: list[Container]
) -> None:
    containers.append(serve(image, settings | {"WEB_CONCURRENCY": "2"}, "--user=54321:54321", *HARDENED))
    assert_a_task_can_be_kept(ready_url(containers[0], image.port), secret)
    until(lambda: containers[0].logs().count("Application startup complete") == 2)
    assert_sigterm_ends(containers[0])


def test_an_init_process_passes_sigterm_on(
    image: Image, settings: dict[str, str], secret: str, containers: list[Container]
) -> None:
    containers.append(serve(image, settings, "--init", *HARDENED))
    assert_a_task_can_be_kept(ready_url(containers[0], image.port), secret)
    assert_sigterm_ends(containers[0])


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("BETTER_AUTH_SECRET", "BETTER_AUTH_SECRET is missing; set it, BETTER_AUTH_URL, or both"),
        ("NEON_DB_URL", "NEON_DB_URL is missing; it must be set outside development"),
    ],
)
def test_a_missing_setting_ends_it_with_status_3_and_one_sentence(
    image: Image, settings: dict[str, str], containers: list[Container], missing: str, sentence: str
) -> None:
    containers.append(serve(image, settings | {missing: ""}))
    assert containers[0].wait() == 3
    assert containers[0].logs() == f"Configuration error: {sentence}\n"


def assert_sigterm_ends(container: Container) -> None:
    started = time.monotonic()
    podman("kill", "--signal=TERM", container.id)
    assert container.wait() == 0
    assert time.monotonic() - started < STOP_SECONDS
