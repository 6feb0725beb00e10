"""Demo users, part of the application only with DEMO_MODE: a token for anybody, and the removal of what they leave.

`main.py` includes `demo_router` and starts `purge_hourly`; nothing else knows of it. May import `dependencies`,
`openapi`, `db`, `http`, `config`, `models` and `errors`.
"""
