"""Lists rendered by PostgreSQL: what it would render in another way than a single task is refused at import."""

from datetime import time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from pydantic import create_model
from sqlalchemy import Column, Enum, Interval, LargeBinary, MetaData, Numeric, Table, Time

from src.services.rendering import json_object


class Level(StrEnum):
    LOW = "low"


@pytest.mark.parametrize(
    ("annotation", "stored"),
    [(Decimal, Numeric()), (time, Time()), (timedelta, Interval()), (bytes, LargeBinary()), (Level, Enum(Level))],
)
def test_a_column_that_the_two_would_render_differently_is_refused(annotation: type, stored: Any) -> None:
    model = create_model("Model", field=(annotation, ...))
    columns = Table("things", MetaData(), Column("field", stored)).c
    with pytest.raises(TypeError, match=f"^field: a list would render {annotation.__name__} in another way"):
        json_object(columns, model)
