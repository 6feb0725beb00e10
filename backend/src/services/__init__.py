"""What one owner may do with their tasks: `TaskService`, and the SQL of it, one statement an operation.

`dependencies.py` makes a `TaskService` for the caller of a request. Knows SQL, and nothing of HTTP. May import `db`,
`models`, `errors` and `log`; of `postgres` the order of titles alone.
"""
