"""Free loopback ports for servers that will be killed and started again on the same port.

They lie below the range from which systems take the ports of outgoing connections: there, a
client that keeps knocking at a dead server's port could get that very port for itself.
"""

import random
import socket

# Linux takes outgoing ports from 32768 up, macOS and Windows from 49152 up.
RANGE = range(20_000, 32_000)
_random = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """Return that many different ports on which nothing listens at the moment.

    Another process can still be quicker to take one: callers try again with other ports.
    """
    found: list[int] = []
    while len(found) < count:
        port = _random.choice(RANGE)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
