"""`make openapi`: writes docs/openapi.json, the document as it is served without DEMO_MODE."""

import json
import os
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def render() -> str:
    """Return the document as it is committed; no setting of this machine changes it."""
    # Importing src.main makes an application, which wants these.
    os.environ.setdefault("NEON_DB_URL", "postgresql://nowhere.invalid/none")
    os.environ.setdefault("BETTER_AUTH_SECRET", "only-to-import-the-application-32-bytes")
    from src.config import get_settings  # noqa: PLC0415  # after the two lines above
    from src.main import create_app  # noqa: PLC0415  # as well

    plain = get_settings().model_copy(update={"demo_mode": False, "root_path": ""})
    return json.dumps(create_app(plain).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(render(), encoding="utf-8")
