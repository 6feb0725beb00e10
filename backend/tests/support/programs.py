"""Programs that some tests need and that pip cannot bring."""

import os
import shutil
import subprocess

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def program(name: str) -> str | None:
    """Find a program; as root on Debian, install the package of its name where it is missing."""
    found = shutil.which(name, path=_PATH)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        patient = ["-o", "DPkg::Lock::Timeout=120"]  # somebody else may be at it
        install = ["install", "--yes", "--no-install-recommends", name]
        for command in (["apt-get", *patient, "update"], ["apt-get", *patient, *install]):
            subprocess.run(command, check=False, env=environment, timeout=300, **quiet)
        found = shutil.which(name, path=_PATH)
    return found
