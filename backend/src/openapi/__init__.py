"""What the service says about itself in OpenAPI.

The routes say beside each operation what it answers, with `answers`; `add_openapi` makes the document of it. May
import `models`, `errors` and `http`.
"""
