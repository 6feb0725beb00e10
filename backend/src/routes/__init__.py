"""The HTTP operations, joined to one router."""

from fastapi import APIRouter

from src.routes import docs, health, tasks

api_router = APIRouter()
api_router.include_router(tasks.router)
api_router.include_router(health.router)
api_router.include_router(docs.router)
