"""Tokens and keys: `TokenVerifier` tells whom a token stands for, `KeySet` has the auth server's public keys.

Callers need `tokens.TokenVerifier`, which `main.py` makes once a process and `dependencies.py` asks. Knows nothing of
FastAPI and of the database. May import `config`, `models` and `errors`.
"""
