"""Wrong API keys, counted by the address that they come from, in a bounded memory."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from facetrust.serve.refusal import Refusal

SECONDS = 60.0
_ADDRESSES = 4096  # Kept at most; the one that was seen first goes first.
_NETWORK = 64  # Bits of an IPv6 address that name whose it is; the others its owner may choose.


class Attempts:
    """Counts wrong keys by address, a minute at a time.

    It refuses wrong keys alone. A right key is always let in: where a proxy or a router stands between,
    one address is many people, and a stranger could otherwise lock all of them out. What keeps a key from
    being guessed is its length.

    Args:
        most: wrong keys of an address in a minute that are answered as such.
        clock: seconds, from any origin.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()  # Address → since when, how many.

    def wrong(self, address: str) -> None:
        """Counts a wrong key.

        Raises:
            Refusal: there were too many from this address (429); it says after how many seconds to ask again.
        """
        whose, now = _whose(address), self._clock()
        since, count = self._seen.get(whose, (now, 0))
        if now - since >= SECONDS:
            since, count = now, 0
            del self._seen[whose]
        self._seen[whose] = since, count + 1
        if len(self._seen) > _ADDRESSES:
            self._seen.popitem(last=False)
        if count >= self._most:
            left = max(1, math.ceil(since + SECONDS - now))
            raise Refusal(429, "too many wrong API keys; try again later", {"Retry-After": str(left)})


def _whose(address: str) -> str:
    """An address, or of IPv6 the network that it is in."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found.packed, _NETWORK), strict=False))
    return str(found)
