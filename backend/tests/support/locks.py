"""A table that nobody else can read or write for a while."""

from contextlib import closing

import psycopg2


def locked(url: str) -> closing:
    """A transaction that keeps everybody from the tasks until it is closed."""
    connection = psycopg2.connect(url)
    connection.cursor().execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
    return closing(connection)
