"""Business operations; they know SQL and nothing of HTTP."""
