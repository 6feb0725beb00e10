"""The file `.env` of the top folder: where it is, and what of it is refused before anybody reads a value."""

from pathlib import Path

from dotenv.parser import parse_stream

from src.config.refusal import refuse

ENV_FILE = Path(__file__).resolve().parents[3] / ".env"
ENCODING = "utf-8-sig"  # some editors of Windows begin a file with a mark, which is no part of the first name


def check(path: object) -> None:
    """Refuse a line that cannot be parsed; who reads the settings from the file leaves it out, with a warning."""
    if not isinstance(path, Path) or not path.is_file():
        return
    with path.open(encoding=ENCODING) as file:
        wrong = next((binding.original for binding in parse_stream(file) if binding.error), None)
    if wrong:
        before = wrong.string[: -len(wrong.string.lstrip())]  # blank lines
        line = wrong.line + before.count("\n")
        refuse(f".env must have NAME=value in line {line}, with both quotes or none")
