"""The tasks that are there before anything is measured."""

from contextlib import closing

import psycopg2

from benchmarks.operations import LONG_LIST, LONG_USERS, NOTE, TASKS_EACH, USERS, Work, user_id

_SEED = """
INSERT INTO tasks (user_id, title, description, completed, created_at, updated_at {extra_column})
SELECT md5(%(kind)s || n / %(each)s), 'Task number ' || n, CASE WHEN n %% 4 > 0 THEN %(note)s END, n %% 3 = 0,
       timestamptz '2026-01-01' + n * interval '1 second', timestamptz '2026-01-01' + n * interval '1 second'
       {extra_value}
FROM generate_series(0, %(users)s * %(each)s - 1) AS n
"""
_HAS_KEY = "SELECT FROM information_schema.columns WHERE table_name = 'tasks' AND column_name = 'title_key'"


def add_tasks(url: str, kind: str, users: int, each: int) -> None:
    """Store so many tasks for each of so many users; works on every service's table."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(_HAS_KEY)
        extra = (", title_key", ", 'task number ' || n") if cursor.rowcount else ("", "")
        sql = _SEED.format(extra_column=extra[0], extra_value=extra[1])
        cursor.execute(sql, {"kind": kind, "users": users, "each": each, "note": NOTE})
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM ANALYZE tasks")


def seed(url: str) -> Work:
    """Store the tasks that the operations work on."""
    add_tasks(url, "user", USERS, TASKS_EACH)
    add_tasks(url, "long", LONG_USERS, LONG_LIST)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        users = [user_id("user", number) for number in range(USERS)]
        cursor.execute("SELECT user_id, array_agg(id) FROM tasks WHERE user_id = ANY(%s) GROUP BY 1", [users])
        return Work(dict(sorted(cursor.fetchall())))
