"""Settings: every value that differs between deployments, judged here alone, before anything is started.

`settings` has the fields, of the kinds that `values` knows; `origins` and `conninfo` say how origins and the database's
URL are spelled, and `refusal` ends a start that must not go on. Callers need `Settings`, which the application gets
once, by `get_settings`. May import nothing of ours.
"""

from src.config.env_file import ENV_FILE
from src.config.opentelemetry import OpenTelemetrySettings, Signal, pairs
from src.config.refusal import EXIT_MISCONFIGURED, check_port, refuse
from src.config.settings import Settings, get_settings, read_settings

__all__ = [
    "ENV_FILE",
    "EXIT_MISCONFIGURED",
    "OpenTelemetrySettings",
    "Settings",
    "Signal",
    "check_port",
    "get_settings",
    "pairs",
    "read_settings",
    "refuse",
]
