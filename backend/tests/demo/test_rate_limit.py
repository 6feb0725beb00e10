"""How often an address may do something: the period ends, a network is one address, memory is bounded."""

from src.demo.rate_limit import _MAX_ADDRESSES, RateLimit


def test_a_period_ends() -> None:
    now = [0.0]
    limit = RateLimit(2, 60, clock=lambda: now[0])
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]
    now[0] = 59.9
    assert not limit.allows("a")
    now[0] = 60
    assert limit.allows("a")


def test_one_ipv6_network_counts_as_one_address() -> None:
    limit = RateLimit(1, 60)
    assert limit.allows("2001:db8::1")
    assert not limit.allows("2001:db8::2")
    assert limit.allows("2001:db8:0:1::1")
    assert limit.allows("192.0.2.1")
    assert not limit.allows("::ffff:192.0.2.1")


def test_memory_is_bounded() -> None:
    limit = RateLimit(1, 60)
    for number in range(_MAX_ADDRESSES + 100):
        limit.allows(f"address {number}")
    assert len(limit) == _MAX_ADDRESSES
