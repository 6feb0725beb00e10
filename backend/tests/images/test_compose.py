"""`cp .env.example .env && docker-compose up`, with nothing else edited, on the real Docker Compose."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.images.containers import IMAGES, Container, answer, assert_a_task_can_be_kept, podman, ready_url, until
from tests.support.tokens import bearer, make_token

TOP = Path(__file__).resolve().parents[3]
URL = "http://127.0.0.1:8000"
SOCKET = Path("/run/images/podman.sock")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a newcomer has: a clone, and .env made as the documentation says."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (TOP / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, folder / name)
    shutil.copy(folder / ".env.example", folder / ".env")
    for path in (folder.parent, folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture(scope="module")
def engine() -> Iterator[dict[str, str]]:
    """Docker's API, served by podman; returns the environment in which Compose finds it."""
    with subprocess.Popen(["podman", "system", "service", "--time=0", f"unix://{SOCKET}"]) as service:
        until(SOCKET.exists)
        # Nothing of the tests' own environment: a variable that is set there would win over .env.
        yield {"PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{SOCKET}"}
        service.terminate()


@pytest.fixture(scope="module")
def compose(checkout: Path, engine: dict[str, str]) -> Iterator[Path]:
    """The services, up; returns the folder whose src is mounted in `backend`."""

    def run(*arguments: str) -> None:
        command = [os.environ["IMAGES_COMPOSE"], "--ansi=never", "-p", "newcomer", *arguments]
        done = subprocess.run(command, cwd=checkout, env=engine, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    podman("tag", IMAGES[0].name, "docker.io/library/newcomer-backend:latest")  # What `up` would build.
    up = ("up", "--detach", "--no-build", "--pull=never", "--no-deps")
    # One after the other: podman has no timers for the health check for which Compose would wait.
    run(*up, "db")
    until(lambda: podman("exec", "newcomer-db-1", "pg_isready", "-q", "-h", "127.0.0.1", check=False) is not None)
    teach_gateway(checkout / "docker-compose.yml")
    run(*up, "backend")
    until(lambda: answer(f"{URL}/health/ready"))
    yield checkout
    run("down", "--volumes", "--timeout=5")


def teach_gateway(file: Path) -> None:
    """Put the host's address where Docker itself would: podman 4.3 does not know the word `host-gateway`."""
    subnet = json.loads(podman("network", "inspect", "newcomer_default") or "")[0]["subnets"][0]
    text = file.read_text()
    assert "host.docker.internal:host-gateway" in text
    file.write_text(text.replace("host-gateway", subnet["gateway"]))


def placeholder() -> str:
    found = re.search(r"^BETTER_AUTH_SECRET=(.+)$", (TOP / ".env.example").read_text(), re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def auth_server() -> Iterator[Ed25519PrivateKey]:
    """A key set on port 3000 of the host, as Better Auth would serve it; returns the key that signs."""
    key = Ed25519PrivateKey.generate()
    public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key())) | {"kid": "one", "alg": "EdDSA"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/api/auth/jwks"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [public]}).encode() if found else b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("0.0.0.0", 3000), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield key
        server.shutdown()


@pytest.mark.usefixtures("compose")
def test_a_task_is_kept_in_its_own_database() -> None:
    assert_a_task_can_be_kept(URL, placeholder())
    rows = podman(
        "exec", "newcomer-db-1", "psql", "-U", "app", "-h", "/var/run/postgresql", "-Atc", "TABLE tasks", "app"
    )
    assert "Buy milk" in (rows or "")


@pytest.mark.usefixtures("compose")
def test_its_database_can_be_dumped_and_restored() -> None:
    """The commands of DEPLOYMENT.md, in the database's container."""
    inside = ("exec", "--user=postgres", "newcomer-db-1", "sh", "-c")
    podman(*inside, "pg_dump -U app --format=custom --no-owner --no-privileges app >/tmp/tasks.dump")
    podman(*inside, "createdb -U app restored")
    podman(*inside, "pg_restore -U app --no-owner --single-transaction --dbname=restored </tmp/tasks.dump")
    count = "psql -U app -Atc 'SELECT count(*) FROM tasks' "
    assert podman(*inside, count + "restored") == podman(*inside, count + "app")


@pytest.mark.usefixtures("compose")
def test_the_key_set_of_the_host_is_reached(auth_server: Ed25519PrivateKey) -> None:
    origin = "http://localhost:3000"
    token = make_token("bob", key=auth_server, alg="EdDSA", iss=origin, aud=origin, headers={"kid": "one"})
    # The service asked for the keys at its start, in vain; it asks again after its cool-down.
    until(lambda: httpx.get(f"{URL}/api/bob/tasks", headers=bearer(token)).status_code == 200, 60)


def test_a_change_of_the_source_is_served_after_a_reload(compose: Path) -> None:
    main = compose / "backend/src/main.py"
    main.write_text(main.read_text().replace('title="Tasks API"', 'title="Tasks API, changed"'))

    until(lambda: (found := answer(f"{URL}/openapi.json")) and found.json()["info"]["title"] == "Tasks API, changed")


@pytest.mark.usefixtures("compose")
def test_the_service_cannot_change_the_mounted_source() -> None:
    assert podman("exec", "newcomer-backend-1", "touch", "/app/src/new.py", check=False) is None
    assert podman("exec", "--user=0", "newcomer-backend-1", "touch", "/app/src/new.py", check=False) is None


def test_the_example_alone_runs_in_the_image_too(checkout: Path, database: str, containers: list[Container]) -> None:
    """`docker run --env-file .env`: an empty line of the file must not undo what the image sets."""
    options = (f"--env-file={checkout / '.env'}", f"--env=NEON_DB_URL={database}")
    containers.append(Container.start(IMAGES[0].name, *options))
    assert_a_task_can_be_kept(ready_url(containers[0], IMAGES[0].port), placeholder())


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose 1.29 is not installed")
def test_the_old_docker_compose_reads_the_file_the_same_way(checkout: Path, engine: dict[str, str]) -> None:
    done = subprocess.run(
        ["docker-compose", "config"], cwd=checkout, env=engine, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "postgresql://app:app@db:5432/app" in done.stdout
    assert "host.docker.internal:" in done.stdout
