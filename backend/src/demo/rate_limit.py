"""How often each address may do something, in bounded memory."""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable

_MAX_ADDRESSES = 4096  # about 1 MB; the one that was silent longest is forgotten first


class RateLimit:
    """Allows each address a number of events in any period of so many seconds; for one process, one thread."""

    def __init__(self, events: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._events, self._seconds, self._clock = events, seconds, clock
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._seen)

    def allows(self, address: str) -> bool:
        """Count an event of this address, unless it is one too many."""
        now, network = self._clock(), _network(address)
        times = self._seen.setdefault(network, deque(maxlen=self._events))
        if len(times) == self._events and now - times[0] < self._seconds:
            return False
        times.append(now)
        self._seen.move_to_end(network)
        if len(self._seen) > _MAX_ADDRESSES:
            self._seen.popitem(last=False)
        return True


def _network(address: str) -> str:
    """Whoever has one IPv6 address has its /64, so that counts as one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
