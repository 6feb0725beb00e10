"""The HTTP operations, in one list. Rank 9."""

from src.routes import docs, health, tasks

routes = [*tasks.router.routes, *health.router.routes, *docs.router.routes]
