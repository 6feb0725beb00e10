"""The Tasks API: a FastAPI service over PostgreSQL, with tokens from Better Auth."""

import os

# Two variables that FastAPI and OpenTelemetry's SDK read when they are imported, so before any setting is judged. A
# platform may set them for all that it runs; what they do not know would end the start with a traceback. Neither has a
# use here: traces are continued by the W3C's headers, and `log/telemetry.py` limits spans.
for name in ("OTEL_PROPAGATORS", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"):
    os.environ.pop(name, None)
