"""The SQL of a create with an Idempotency-Key: claim the key and create the task, in one statement."""

from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Delete, bindparam, cast, func, insert, literal_column, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Insert

from src.models import IdempotencyKey, TaskCreate
from src.services.rendering import constant
from src.services.statements import NEW, tasks

KEY_LIFETIME_HOURS = 24  # a retry that comes later than this may create a second task

keys = IdempotencyKey.metadata.tables[str(IdempotencyKey.__tablename__)]

_FIRST_MEMBERS = ("title", "description")  # of the first release, in its order, for keys that are still good


def fingerprint(task: TaskCreate) -> str:
    """Return what tells this body from another under the same key.

    Of what a later release added, only that counts which is not at its default: so a key stays good across a release,
    in whichever of two that run side by side the retry arrives.
    """
    members = task.model_dump(mode="json")
    first = tuple(members.pop(name) for name in _FIRST_MEMBERS)
    defaults = {name: field.get_default(call_default_factory=True) for name, field in TaskCreate.model_fields.items()}
    later = tuple((name, value) for name, value in members.items() if getattr(task, name) != defaults[name])
    return sha256(repr(first + later).encode()).hexdigest()


def _claim() -> Insert:
    """Take the key, or read who took it.

    DO UPDATE, not DO NOTHING: only it waits for a request with the same key and then sees its row.
    """
    claim = postgresql.insert(keys).values(
        user_id=bindparam("owner"),
        key=bindparam("key"),
        fingerprint=bindparam("fingerprint"),
        task_id=func.nextval(func.pg_get_serial_sequence(constant("tasks"), constant("id"))),
    )
    return claim.on_conflict_do_update(index_elements=[keys.c.user_id, keys.c.key], set_={"key": claim.excluded.key})


def _expired() -> Delete:
    """Two of the owner's old keys: each new key pays for the removal of old ones, at a bounded price."""
    old = (
        select(keys.c.key)
        .where(keys.c.user_id == bindparam("owner"), keys.c.key != bindparam("key"))
        .where(keys.c.created_at < func.now() - literal_column(f"interval '{KEY_LIFETIME_HOURS} hours'"))
        .order_by(keys.c.created_at)
        .limit(literal_column("2"))
    )
    return keys.delete().where(keys.c.user_id == bindparam("owner"), keys.c.key.in_(old))


def _create_once() -> Any:
    """Claim the key and create the task in one step; who comes second gets what the first one got.

    The task's first state follows from the claim and the same body, so a replay is the first answer to the
    letter, whatever happened to the task since. `xmax` is 0 in a row that this statement inserted.
    """
    fresh: ColumnElement[bool] = literal_column("xmax = 0").label("fresh")
    same = (keys.c.fingerprint == bindparam("fingerprint")).label("same")
    claim = _claim().returning(keys.c.task_id, keys.c.created_at, fresh, same).cte("claim")
    first = select(
        claim.c.task_id.label("id"),
        *(cast(value, tasks.c[name].type).label(name) for name, value in NEW.items()),
        claim.c.created_at,
        claim.c.created_at.label("updated_at"),
        claim.c.fresh,
        claim.c.same,
    ).cte("first")
    names = ["id", *NEW, "created_at", "updated_at"]
    created = insert(tasks).from_select(names, select(*(first.c[name] for name in names)).where(first.c.fresh))
    answer = select(*(first.c[column.name] for column in tasks.c), first.c.fresh, first.c.same)
    return answer.add_cte(created.cte("created"), _expired().cte("expired"))


CREATE_ONCE = _create_once()
