"""The Tasks API: a FastAPI service over PostgreSQL, with tokens from Better Auth."""
