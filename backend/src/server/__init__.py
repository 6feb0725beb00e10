"""How uvicorn is run by `python -m src`: workers, sockets, bounds for hostile clients, memory.

Nothing of the application imports this: plain `uvicorn src.main:app` serves the same, within bounds of its own for
heads and idle connections, its own way to read `Upgrade` and trailers, and lookups of names that its end waits for.
`__main__.py` needs `workers.serve`. May import `main`, `http`, `log`, `config` and `errors`.
"""
