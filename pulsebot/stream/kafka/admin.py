"""Kafka's Admin: creates topics, and leaves alone what is there.

This module must not know which topics pulsebot wants.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, NoError, TopicAlreadyExistsError, for_code

from pulsebot.errors import InvalidInput, StreamError
from pulsebot.stream.base import TopicPlan
from pulsebot.stream.config import KafkaStream
from pulsebot.stream.kafka.connection import client_options

RETENTION = "retention.ms"
DAY_MS = 86_400_000
_POLL_S = 0.1


class KafkaAdmin:
    """Creates topics; see `pulsebot.stream.base.Admin`."""

    def __init__(self, settings: KafkaStream) -> None:
        self._settings = settings
        self._options = client_options(settings)

    async def create(self, plans: Sequence[TopicPlan]) -> Mapping[str, str]:
        """Create what is missing and wait until it can be used.

        Returns per topic `created`, or what was found instead. Raises InvalidInput with
        Kafka's reason for each topic that it refuses (the others are created), StreamError
        when Kafka does not answer within `request_timeout_s`.
        """
        try:
            async with asyncio.timeout(self._settings.request_timeout_s), self._client() as client:
                return await _create(client, plans)
        except (KafkaError, OSError) as error:
            addresses = ", ".join(self._settings.bootstrap)
            raise StreamError(f"Kafka at {addresses} does not answer: {error!r}") from error

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AIOKafkaAdminClient]:
        client = AIOKafkaAdminClient(**self._options)
        try:
            await client.start()
            yield client
        finally:
            await client.close()


async def _create(client: AIOKafkaAdminClient, plans: Sequence[TopicPlan]) -> dict[str, str]:
    answer = await client.create_topics(
        [
            NewTopic(
                plan.name,
                plan.partitions,
                plan.replication,
                topic_configs={RETENTION: str(plan.retention_ms)},
            )
            for plan in plans
        ]
    )
    words = {name: (for_code(code), text) for name, code, text, *_ in answer.topic_errors}
    refused = [
        f"topic {name}: {text or error.__name__}"
        for name, (error, text) in words.items()
        if error not in (NoError, TopicAlreadyExistsError)
    ]
    if refused:
        raise InvalidInput("; ".join(refused))
    await _wait_for_leaders(client, list(words))
    return {
        name: "created" if error is NoError else await _describe(client, name)
        for name, (error, _) in words.items()
    }


async def _wait_for_leaders(client: AIOKafkaAdminClient, names: list[str]) -> None:
    while True:
        topics = await client.describe_topics(names)
        lanes = [lane for topic in topics for lane in topic["partitions"]]
        if all(topic["partitions"] for topic in topics) and all(
            lane["leader"] >= 0 for lane in lanes
        ):
            return
        await asyncio.sleep(_POLL_S)


async def _describe(client: AIOKafkaAdminClient, name: str) -> str:
    (topic,) = await client.describe_topics([name])
    lanes = topic["partitions"]
    copies = len(lanes[0]["replicas"])
    kept = await _retention(client, name)
    return f"exists: {len(lanes)} partitions, replication {copies}, retention {kept}"


async def _retention(client: AIOKafkaAdminClient, name: str) -> str:
    wanted = ConfigResource(ConfigResourceType.TOPIC, name, {RETENTION: None})
    for answer in await client.describe_configs([wanted]):
        for _code, _text, _type, _name, entries in answer.resources:
            for key, value, *_ in entries:
                if key == RETENTION:
                    return "for ever" if int(value) < 0 else f"{int(value) / DAY_MS:g} days"
    return "unknown"
