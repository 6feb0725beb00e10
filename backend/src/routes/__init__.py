"""The HTTP operations, in one list. Rank 8."""

from src.routes import health, tasks

routes = [*tasks.router.routes, *health.router.routes]
