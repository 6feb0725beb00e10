"""JSON rendered by PostgreSQL: the members and their order come from a pydantic model.

For a list of 1000 tasks this replaces some 10 ms of interpreter time by 1.5 ms of the database's. Plain
concatenation measured a quarter faster than `row_to_json`. Rank 0: imports nothing of ours.
"""

from datetime import datetime
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel
from sqlalchemy import ColumnElement, Text, cast, func, literal_column
from sqlalchemy.sql.base import ReadOnlyColumnCollection

_INSTANT = r'\"YYYY-MM-DD"T"HH24:MI:SS.US"Z"\"'  # to_char: \" is a quotation mark, "T" the letter

Columns = ReadOnlyColumnCollection[str, Any]


def constant(text: str) -> ColumnElement[str]:
    """Return a SQL literal; only for text of ours, never for a value from outside."""
    return literal_column("'" + text.replace("'", "''").replace("%", "%%") + "'", Text)


def json_object(columns: Columns, model: type[BaseModel]) -> ColumnElement[str]:
    """Return the expression that renders one row as the JSON object that `model` describes."""
    text = constant("{")
    for position, (name, field) in enumerate(model.model_fields.items()):
        value = _rendered(columns[name])
        if NoneType in get_args(field.annotation):
            value = func.coalesce(value, constant("null"), type_=Text)
        text = text + constant(("," if position else "") + f'"{name}":') + value
    return text + constant("}")


def json_array(member: ColumnElement[str]) -> ColumnElement[str]:
    """Return the expression that aggregates rendered members, in the order of the rows, to a JSON array."""
    return constant("[") + func.coalesce(func.string_agg(member, constant(",")), constant("")) + constant("]")


def _rendered(column: Any) -> ColumnElement[str]:
    if column.type.python_type in (bool, int):
        return cast(column, Text)
    if column.type.python_type is datetime:
        return func.to_char(func.timezone(constant("UTC"), column), constant(_INSTANT))
    return cast(func.to_json(column), Text)
