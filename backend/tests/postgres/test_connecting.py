"""What libpq is given besides the URL; `faults/test_names.py` has what becomes of hosts and addresses."""

import psycopg2.extensions
import pytest

from src.postgres.connecting import with_defaults


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://u:p@ep-x-pooler.eu.example/db?sslmode=require&channel_binding=require",
        "postgresql://u:p%40ss@h:5433/db",
    ],
)
def test_a_url_keeps_its_parameters_and_gains_bounds_for_a_dead_network(given: str) -> None:
    before, after = psycopg2.extensions.parse_dsn(given), psycopg2.extensions.parse_dsn(with_defaults(given))
    assert before.items() <= after.items()
    assert {"tcp_user_timeout", "keepalives_idle", "keepalives_count"} <= after.keys()
    assert "options" not in after


def test_a_bound_of_the_url_wins() -> None:
    url = "postgresql://h/db?connect_timeout=2&application_name=mine"
    assert psycopg2.extensions.parse_dsn(with_defaults(url))["connect_timeout"] == "2"
    assert psycopg2.extensions.parse_dsn(with_defaults(url))["application_name"] == "mine"
