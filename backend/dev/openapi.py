"""`make openapi`: writes docs/openapi.json, the document as it is served without DEMO_MODE."""

import json
import os
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def render() -> str:
    """Return the document as it is committed; no setting of this machine changes it."""
    os.environ.setdefault("NEON_DB_URL", "postgresql://nowhere.invalid/none")
    os.environ.setdefault("BETTER_AUTH_SECRET", "only-to-import-the-application-32-bytes")
    from src import config, main  # noqa: PLC0415  # makes an application when it is imported, from the settings above

    plain = config.get_settings().model_copy(update={"demo_mode": False, "root_path": ""})
    return json.dumps(main.create_app(plain).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(render(), encoding="utf-8")
