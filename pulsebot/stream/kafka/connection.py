"""Reaching Kafka: a client's options from the settings, and starting it with patience.

aiokafka's own `start` gives up at the first refusal; here it is tried for ever, with growing
pauses. This module must not know what the clients are for.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Protocol, TypeVar

from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from pulsebot.errors import InvalidInput
from pulsebot.stream.config import KafkaStream

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
# One request may take a third of what the caller's question may, so that another broker can
# still be asked when the first one hangs.
TRIES = 3

# Not structlog: in an app with the SDK nobody sets it up, and it would print to standard output.
_log = logging.getLogger(__name__)
_random = random.SystemRandom()


class Client(Protocol):
    """What aiokafka's clients have in common."""

    async def start(self) -> None:
        """Connect, or raise."""


C = TypeVar("C", bound=Client)


def client_options(settings: KafkaStream) -> dict[str, Any]:
    """Return the keyword arguments that every aiokafka client takes.

    Raises InvalidInput where a certificate or key file cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "client_id": settings.client_id,
        "request_timeout_ms": int(settings.request_timeout_s / TRIES * 1000),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if settings.sasl_mechanism is not None and settings.sasl_password is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return options


def _ssl_context(settings: KafkaStream) -> ssl.SSLContext:
    password = settings.ssl_password
    try:
        context: ssl.SSLContext = create_ssl_context(
            cafile=settings.ssl_cafile,
            certfile=settings.ssl_certfile,
            keyfile=settings.ssl_keyfile,
            password=password.get_secret_value() if password else None,
        )
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise InvalidInput(
            f"stream: ssl_cafile, ssl_certfile, ssl_keyfile or ssl_password cannot be used "
            f"({error}); give PEM files that can be read, and the key's password"
        ) from error
    return context


def pauses() -> Iterator[float]:
    """Yield for ever the seconds to wait before the next attempt: doubling, spread, bounded."""
    pause = FIRST_PAUSE_S
    while True:
        yield _random.uniform(pause / 2, pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)


async def started(
    make: Callable[[], C], close: Callable[[C], Awaitable[None]], limit_s: float
) -> C:
    """Return a started client, however long it takes; each attempt has `limit_s` seconds.

    Cancelling closes what was half started.
    """
    for pause in pauses():
        client = make()
        try:
            async with asyncio.timeout(limit_s):
                await client.start()
        except (KafkaError, OSError) as error:  # TimeoutError is an OSError
            await close(client)
            _log.warning("Kafka cannot be reached, again in %.1f s: %r", pause, error)
        except BaseException:
            await close(client)
            raise
        else:
            return client
        await asyncio.sleep(pause)
    raise AssertionError("the pauses never end")
