"""Entity tags and preconditions (RFC 9110, sections 8.8 and 13.1).

A task's tag is its id, its version (`updated_at`, which never stands still when the task changes) and a fingerprint of
the fields that an answer has, so that a release that adds one does not say 304. A list's is a digest of its body.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated

from fastapi import Header, Response

from src.models import TaskResponse, TaskRow, Versions

# Browsers may keep an answer but must ask (with If-None-Match) before they use it again.
CACHING = {"Cache-Control": "private, no-cache"}
ANY = "*"

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIELDS = sha256(",".join(TaskResponse.model_fields).encode()).hexdigest()[:8]
_HEX_DIGITS = 32

# Several lines of a header are one list (RFC 9110, section 5.3).
IfNoneMatch = Annotated[list[str] | None, Header(description="Entity tags the client has: 304 if one is current")]
IfMatch = Annotated[list[str] | None, Header(description="Entity tags: 412 unless one is current")]
IfNoneMatchToWrite = Annotated[list[str] | None, Header(description="Entity tags: 412 if one is current, or with `*`")]


def etag_of(task: TaskRow) -> str:
    """Return the strong entity tag of a task, quotes included."""
    return f'"{task.id}.{_number(task.updated_at)}.{_FIELDS}"'


def etag_of_body(body: bytes) -> str:
    """Return the strong entity tag of these bytes, quotes included."""
    return f'"{sha256(body).hexdigest()[:_HEX_DIGITS]}"'


def is_listed(headers: Iterable[str], etag: str) -> bool:
    """Whether If-None-Match lists this tag, by weak comparison (section 13.1.2)."""
    return _any(headers) or etag.strip('"') in {tag for _, tag in _tags(headers)}


def versions(task_id: int, if_match: Iterable[str] | None, if_none_match: Iterable[str] | None) -> Versions | None:
    """Return what the preconditions of a write ask of the task's version; None where they ask nothing.

    If-Match compares strongly: a weak tag never matches (section 13.1.1). If-None-Match compares weakly.
    """
    wanted = None if if_match is None or _any(if_match) else _of_task(task_id, _tags(if_match), weak=False)
    if if_none_match is None:
        return None if wanted is None else Versions(wanted, [])
    return Versions(wanted, None if _any(if_none_match) else _of_task(task_id, _tags(if_none_match), weak=True))


def _any(headers: Iterable[str]) -> bool:
    return any(line.strip() == ANY for line in headers)


def _tags(headers: Iterable[str]) -> list[tuple[str, str]]:
    return _TAG.findall(",".join(headers))


def _of_task(task_id: int, tags: list[tuple[str, str]], *, weak: bool) -> list[datetime]:
    found = (_version(task_id, tag) for mark, tag in tags if weak or not mark)
    return [version for version in found if version is not None]


def _version(task_id: int, tag: str) -> datetime | None:
    """Read the version out of a tag that this release would give this task; any other tag is nobody's."""
    match tag.split("."):
        case [number, version, fields] if number == str(task_id) and fields == _FIELDS:
            try:
                moment = _EPOCH + int(version) * _MICROSECOND
            except (ValueError, OverflowError):
                return None
            return moment if version == _number(moment) else None  # Python reads "+1_7" as 17, too
    return None


def _number(moment: datetime) -> str:
    return str((moment - _EPOCH) // _MICROSECOND)


def answer_task(response: Response, task: TaskRow, known: list[str] | None) -> TaskRow | Response:
    """Return the task, for `response_model` to render, or 304 where the client has it already."""
    tagged(response, task)
    if known is not None and is_listed(known, response.headers["ETag"]):
        return Response(status_code=304, headers=dict(response.headers))
    return task


def answer_list(body: bytes, headers: Mapping[str, str], known: list[str] | None) -> Response:
    """Return a rendered list, or 304 where the client has it already; with these headers either way."""
    fields = {"ETag": etag_of_body(body), **CACHING, **headers}
    if known is not None and is_listed(known, fields["ETag"]):
        return Response(status_code=304, headers=fields)
    return Response(body, headers=fields, media_type="application/json")


def tagged(response: Response, task: TaskRow) -> TaskRow:
    """Return the task, for `response_model` to render; the response gets its entity tag."""
    response.headers["ETag"] = etag_of(task)
    response.headers.update(CACHING)
    return task
