"""The whole system with real parts: Better Auth from npm, PostgreSQL, the service as a process, a browser."""
