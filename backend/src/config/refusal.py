"""How a start ends that must not go on: one sentence that begins with the name of the setting, and status 3."""

import errno
import multiprocessing
import os
import socket
import sys
import time
from typing import NoReturn

import uvicorn
from pydantic import ValidationError

EXIT_MISCONFIGURED = 3
_PATIENCE = 1.0  # seconds

_EXPECTED = {"int": "must be a whole number", "float": "must be a number", "bool": "must be true or false"}


def refuse(sentence: str) -> NoReturn:
    """End the process; `sentence` begins with the name of the setting and holds nothing of its value."""
    if _another_says_it():
        time.sleep(_PATIENCE)  # The supervisor ends all as soon as one has ended, and the other may still be starting.
    else:
        sys.stderr.write(f"Configuration error: {sentence}\n")
    raise SystemExit(EXIT_MISCONFIGURED)


def _another_says_it() -> bool:
    """Whether this is not the first of the workers that `uvicorn --workers` starts together: all read the same."""
    number = multiprocessing.current_process().name.removeprefix("SpawnProcess-")
    if not number.isdigit() or "uvicorn" not in sys.argv[0]:
        return False
    called = uvicorn.main.make_context("uvicorn", sys.argv[1:], resilient_parsing=True).params
    together = 1 if called["reload"] else called["workers"] or int(os.environ.get("WEB_CONCURRENCY", "1"))
    return 1 < int(number) <= together


def complaint(error: ValidationError) -> str:
    """Return the first complaint in words, without the value: it may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    name = "_".join(str(part) for part in first["loc"][:1]).upper()
    expected = _EXPECTED.get(first["type"].split("_")[0], first["msg"].replace("Input should", "must"))
    return f"{name} {expected}".strip().replace("Value error, ", "")


def check_port(host: str, port: int, remedy: str) -> None:
    """Refuse a port that this process cannot have; for whoever serves next, since a served port is in use.

    It is asked for as uvicorn will, which says only "Address already in use", and late.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            fault = "is in use" if taken else f"is closed to this user ({error.strerror})"
            refuse(f"PORT must be free, and {port} {fault}: {remedy}")
