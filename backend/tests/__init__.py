"""Tests through HTTP on a real PostgreSQL with real tokens; nothing of the service is replaced."""
