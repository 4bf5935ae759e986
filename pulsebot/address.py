"""Addresses: where a server listens, who calls it, and which of them are this very machine.

Values in, values out; nothing here resolves a name.
"""

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from pulsebot.errors import InvalidInput

MAX_PORT = 65_535

_ADDRESS = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]+)):([^:]*)")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: `host` is an IP address or `localhost`; port 0 is any free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Tell whether only this machine can call."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse `HOST:PORT`, with an IPv6 address in brackets; raises InvalidInput.

    A host name other than `localhost` is refused: what it means is decided elsewhere, and
    whether it means this machine alone cannot be known from it.
    """
    found = _ADDRESS.fullmatch(text.strip())
    if not found:
        if text.count(":") > 1:
            raise InvalidInput("an IPv6 address stands in brackets, like '[::1]:8080'")
        raise InvalidInput(f"{text[:100]!r} is no HOST:PORT; write it like 127.0.0.1:8080")
    host, port = found[1] or found[2], found[3]
    if host is None or (host != "localhost" and ip(host) is None):
        raise InvalidInput(
            f"{(host or '')[:100]!r} is no address of this machine; write localhost, "
            "an IP address, or 0.0.0.0 for all of them"
        )
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > MAX_PORT:
        raise InvalidInput(
            f"{port[:100]!r} is no port; ports go from 0 (any free one) to {MAX_PORT:,}"
        )
    return Address(host, int(port))


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """Parse an address or a network such as `10.0.0.0/8`; raises InvalidInput with the mend."""
    try:
        return ip_network(text.strip())
    except ValueError:
        pass
    try:
        near = str(ip_network(text.strip(), strict=False))
    except ValueError:
        near = "127.0.0.1 or 10.0.0.0/8"
    raise InvalidInput(f"{text[:100]!r} is no address or network; write it like {near}")


def ip(text: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a text is, None for anything else.

    An IPv4 caller of an IPv6 listener (`::ffff:…`) is an IPv4 address.
    """
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def is_loopback(host: str) -> bool:
    """Tell whether a host, by its address or as `localhost`, is this machine and no other."""
    found = ip(host)
    return host == "localhost" if found is None else found.is_loopback
