"""The HTTP operations, in one list."""

from src.routes import health, tasks

routes = [*tasks.router.routes, *health.router.routes]
