"""The OpenAPI document: what FastAPI derives from the routes, completed and tidied for people and generators.

The routes say beside each operation what it answers, with `answers`; `add_openapi` makes the document of it. May
import `models`, `errors` and `http`.
"""
