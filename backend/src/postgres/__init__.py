"""What is particular to PostgreSQL: the asyncio dialect of psycopg2, how a connection is opened, and the schema.

`db.py` builds its engine of these, and `services/` sorts titles as `title_order.py` says. May import `models` and
`errors`.
"""
