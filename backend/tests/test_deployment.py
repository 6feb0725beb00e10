"""What a deployment is made of: every setting is documented, the Compose file and the Space are as they must be."""

import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.config import Settings
from src.config.origins import origin_pattern
from src.demo.users import LIFETIME, PURGE
from src.main import create_app

TOP = Path(__file__).resolve().parents[2]
DEPLOYMENT = (TOP / "backend/docs/DEPLOYMENT.md").read_text()
EXAMPLE = (TOP / ".env.example").read_text()
SPACE_README = (TOP / "deploy/space/README.md").read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((TOP / "docker-compose.yml").read_text())


@pytest.mark.parametrize("name", [field.upper() for field in Settings.model_fields])
def test_every_setting_is_documented(name: str) -> None:
    assert re.search(rf"^#?{name}=", EXAMPLE, re.MULTILINE), f"{name} is not in .env.example"
    assert re.search(rf"^\| `{name}` \|", DEPLOYMENT, re.MULTILINE), f"{name} is not in the table of DEPLOYMENT.md"


def test_nothing_is_documented_that_is_not_a_setting() -> None:
    known = {field.upper() for field in Settings.model_fields}
    assert set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)) - known == {"WATCHFILES_FORCE_POLLING"}
    table = DEPLOYMENT.split("## Settings")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z0-9_]+)` \|", table, re.MULTILINE)) == known


@pytest.mark.parametrize("name", [field.upper() for field in Settings.model_fields])
def test_the_documented_default_is_the_default(name: str) -> None:
    default = Settings.model_fields[name.lower()].default
    row = next(line for line in DEPLOYMENT.splitlines() if line.startswith(f"| `{name}` |"))
    documented = row.split("|")[2].strip()
    if isinstance(default, tuple) and default:
        assert documented == f"`{','.join(default)}`"
    elif default in (None, "", ()):
        assert documented == "none" or documented.startswith(("from `", "by `"))
    else:
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        assert documented == f"`{shown.lower() if isinstance(default, bool) else shown}`"


def test_the_documented_pattern_allows_the_documented_preview() -> None:
    (pattern,) = re.findall(r"^CORS_ORIGIN_REGEX=(.+)$", DEPLOYMENT, re.MULTILINE)
    address = re.search(r"such as `(https://[^`]+)`", DEPLOYMENT.split("## Preview deployments")[1])
    assert address
    assert re.fullmatch(origin_pattern(pattern), address[1])
    assert not re.fullmatch(origin_pattern(pattern), f"{address[1]}.evil.example")
    assert pattern in EXAMPLE


def test_an_empty_line_of_the_example_undoes_nothing_that_an_image_sets() -> None:
    for dockerfile in ("backend/Dockerfile", "Dockerfile.spaces"):
        environment = (TOP / dockerfile).read_text().split("\nENV ")[1].split("\n\n")[0]
        for name in set(re.findall(r"([A-Z_]+)=", environment)) - {"FORWARDED_ALLOW_IPS"}:
            assert not re.search(rf"^{name}=", EXAMPLE, re.MULTILINE), name


def test_compose_serves_the_backend_with_reload_and_a_health_check(compose: dict[str, Any]) -> None:
    backend = compose["services"]["backend"]
    assert backend["build"] == "./backend"
    assert "image" not in backend  # With one, Compose asks a registry for it before it builds.
    assert backend["ports"] == ["8000:8000"]
    assert backend["env_file"] == ".env"
    assert backend["init"] is True
    command = backend["command"]
    assert "--reload" in command
    reloaded = {command[place + 1] for place, word in enumerate(command) if word == "--reload-dir"}
    assert reloaded == {"src", "migrations"}
    assert {f"./backend/{name}:/app/{name}:ro" for name in reloaded} == set(backend["volumes"])
    assert "/health" in backend["healthcheck"]["test"][-1]
    check = backend["healthcheck"]
    assert (check["interval"], check["timeout"], check["retries"]) == ("30s", "10s", 3)


def test_compose_brings_a_database_for_an_empty_url(compose: dict[str, Any]) -> None:
    database = compose["services"]["db"]
    assert database["image"].startswith("postgres:")
    assert "pg_isready" in database["healthcheck"]["test"][-1]
    assert database["volumes"] == ["db-data:/var/lib/postgresql/data"]
    assert "db-data" in compose["volumes"]
    made = database["environment"]
    url = f"postgresql://{made['POSTGRES_USER']}:{made['POSTGRES_PASSWORD']}@db:5432/{made['POSTGRES_DB']}"
    assert compose["services"]["backend"]["environment"]["NEON_DB_URL"] == f"${{NEON_DB_URL:-{url}}}"
    assert re.search(r"^NEON_DB_URL=$", EXAMPLE, re.MULTILINE)


def test_compose_uses_nothing_that_docker_compose_1_29_lacks(compose: dict[str, Any]) -> None:
    assert set(compose) == {"services", "volumes"}
    for service in compose["services"].values():
        assert not set(service) & {"develop", "attach", "annotations", "pull_policy"}
        assert not set(service["healthcheck"]) & {"start_interval"}
    # It knows `:-` and `:?`, but neither `:+` nor one variable inside of another.
    assert not re.search(r"\$\{[^}]*(\+|\$)", (TOP / "docker-compose.yml").read_text())


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository in the place of the Space's, with the commit that the platform makes there."""
    bare = tmp_path / "remote.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    tree = git("hash-object", "-w", "-t", "tree", "/dev/null", cwd=bare)
    who = ("-c", "user.name=Platform", "-c", "user.email=platform@example.com")
    git("update-ref", "refs/heads/main", git(*who, "commit-tree", tree, "-m", "initial commit", cwd=bare), cwd=bare)
    return bare


def git(*arguments: str, cwd: Path = TOP) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True).stdout.strip()


def lay_out(*arguments: object) -> str:
    command = [str(TOP / "deploy/space/layout"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def committed(path: str) -> str:
    return git("show", f"HEAD:{path}")


def test_the_space_can_be_pushed_and_holds_what_its_image_needs(tmp_path: Path, remote: Path) -> None:
    lay_out(tmp_path / "space", remote)
    git("push", "--quiet", "origin", "main", cwd=tmp_path / "space")
    git("clone", "--quiet", str(remote), str(tmp_path / "clone"))
    clone = tmp_path / "clone"
    assert {path.name for path in clone.iterdir()} == {".git", ".dockerignore", "Dockerfile", "README.md", "backend"}
    assert (clone / "Dockerfile").read_text().strip() == committed("Dockerfile.spaces")
    assert (clone / "README.md").read_text().strip() == committed("deploy/space/README.md")
    assert "`DEMO_MODE`" in (clone / "README.md").read_text()
    assert (clone / ".dockerignore").read_text().strip() == committed(".dockerignore")
    copied = re.findall(r"^COPY (backend/\S+)", (clone / "Dockerfile").read_text(), re.MULTILINE)
    assert len(copied) == 3
    assert all((clone / name).exists() for name in copied)
    for folder in ("backend/src", "backend/migrations"):
        assert git("rev-parse", f"HEAD:{folder}", cwd=clone) == git("rev-parse", f"HEAD:{folder}")
    assert git("log", "--format=%s", cwd=clone).endswith("initial commit")


def test_laying_out_the_same_state_again_changes_nothing(tmp_path: Path, remote: Path) -> None:
    lay_out(tmp_path / "space", remote)
    first = git("rev-parse", "HEAD", cwd=tmp_path / "space")
    assert "nothing has changed" in lay_out(tmp_path / "space")
    lay_out(tmp_path / "elsewhere", remote)
    assert git("rev-parse", "HEAD", cwd=tmp_path / "elsewhere") == first


def refused(folder: Path) -> str:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        lay_out(folder)
    return str(failed.value.stderr)


def test_a_space_is_not_laid_out_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    assert "holds something else" in refused(tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_space_is_not_laid_out_over_another_checkout(tmp_path: Path) -> None:
    git("clone", "--quiet", str(TOP), str(tmp_path / "project"))
    assert "is a checkout of something else" in refused(tmp_path / "project")
    assert (tmp_path / "project/Makefile").exists()


def test_a_space_is_not_laid_out_over_what_somebody_has_written_there(tmp_path: Path, remote: Path) -> None:
    lay_out(tmp_path / "space", remote)
    (tmp_path / "space/.env").write_text("mine")
    assert "holds what is not committed" in refused(tmp_path / "space")
    assert (tmp_path / "space/.env").read_text() == "mine"


@pytest.mark.parametrize("text", [SPACE_README, DEPLOYMENT.split("\n## Hugging Face Space\n")[1].split("\n## ")[0]])
def test_the_space_has_something_to_try_and_says_what_that_means(text: str) -> None:
    (passage,) = [line for line in text.splitlines() if "`DEMO_MODE" in line and "anybody can get a token" in line]
    assert re.search(r"\btrue\b", passage)
    assert "`BETTER_AUTH_SECRET`" in passage
    assert ("hour" in passage, LIFETIME) == (True, 3600)
    assert ("removed after a day" in passage, "interval '1 day'" in str(PURGE)) == (True, True)


def test_a_space_deployed_as_documented_makes_demo_users() -> None:
    names = set(re.findall(r"^\| `([A-Z_]+)` \|", SPACE_README, re.MULTILINE))
    values = {"NEON_DB_URL": "postgresql:///none", "BETTER_AUTH_SECRET": secrets.token_hex(), "DEMO_MODE": "true"}
    assert set(values) <= names
    app = create_app(Settings(_env_file=None, **{name.lower(): value for name, value in values.items()}))
    assert "/demo/token" in app.openapi()["paths"]


def test_the_front_matter_configures_the_space() -> None:
    _, front, body = SPACE_README.split("---\n", 2)
    matter = yaml.safe_load(front)
    assert (matter["sdk"], matter["app_port"], matter["base_path"]) == ("docker", 7860, "/docs")
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {matter["colorFrom"], matter["colorTo"]} <= colours
    assert matter["title"]
    assert len(matter["emoji"]) == 1
    assert len(matter["short_description"]) <= 60
    assert "NEON_DB_URL" in body
