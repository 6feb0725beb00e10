"""What surrounds a request, and the forms of answers: ids and log lines, CORS, bodies, problems, conditions, URLs.

`middleware` and `body_limit` stand around the application, `error_handlers` turns every error into a problem document,
`conditions`, `urls` and `bodies` are what the routes use. May import `models`, `errors` and `log`; knows no SQL.
"""
