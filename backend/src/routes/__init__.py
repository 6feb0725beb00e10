"""The HTTP operations: paths, statuses, headers and parameters, a few lines each. No SQL, no `except`.

`main.py` includes each module's `router`. A handler gets the service it asks from `dependencies`. May import
`dependencies`, `openapi`, `http`, `models` and `errors`.
"""
