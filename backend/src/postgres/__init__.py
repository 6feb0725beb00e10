"""What is particular to PostgreSQL: the asyncio dialect of psycopg2, how a connection is opened, and the schema.

`db.py` builds its engine of these; settings are judged by `conninfo.py`, and the order of titles is that of
`title_order.py`. May import `models` and `errors`.
"""
