"""Creates the topics with their settings, and refuses a system whose topics are not as named.

Clients never create topics: a typing error would make one with one partition and the broker's
defaults.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from runtime.settings import Settings, settings
from schemas.topics import DEAD_LETTER_RETENTION_MS, PUBLIC_TOPICS, STATE_TOPICS

# 30 s: a single broker answers in milliseconds; one that is electing a controller in seconds.
ADMIN_TIMEOUT_SECONDS = 30.0
HOUR_MS = 3_600_000
# 4 MiB: a segment that is written to is not compacted, and a lane that opens reads it whole, in
# 0.1 s or less (decision 0041).
STATE_SEGMENT_BYTES = 4 * 1_048_576
# Where a process asks the broker for the time (`broker_clock.py`).
CLOCK = "clock"


class TopicError(Exception):
    """The broker's topics are not what this system needs; the text says which and how."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as the broker is to hold it."""

    name: str
    partition_count: int
    config: dict[str, str]


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """List every topic of the system with its settings."""
    return [
        TopicSpec(settings.namespace + name, settings.partition_count, config)
        for name, config in [
            *((topic.name, _log_config(topic.retention_ms)) for topic in PUBLIC_TOPICS),
            *(
                (topic.dead_letter, _log_config(DEAD_LETTER_RETENTION_MS))
                for topic in PUBLIC_TOPICS
            ),
            *((topic.name, _state_config()) for topic in STATE_TOPICS),
        ]
    ] + [TopicSpec(settings.namespace + CLOCK, 1, _clock_config())]


def _log_config(retention_ms: int | None) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(retention_ms), "retention.bytes": "-1"}


def _state_config() -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.1",
        "segment.ms": str(HOUR_MS),
        "segment.bytes": str(STATE_SEGMENT_BYTES),
        # So long the ends of states and of transactions stay to be read: above a reader's own
        # limit, 10 min of `tape verify --follow`.
        "delete.retention.ms": str(HOUR_MS),
    }


def _clock_config() -> dict[str, str]:
    # Its records say nothing but when the broker took them.
    return {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "delete",
        "retention.ms": str(HOUR_MS),
        "segment.ms": str(HOUR_MS),
    }


async def ensure_topics(settings: Settings) -> None:
    """Create what is missing and check what is there.

    Raises: TopicError on a wrong partition count; asyncio.TimeoutError after 30 s.
    Guarantee: may be run at every start, by several processes at once.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    async with asyncio.timeout(ADMIN_TIMEOUT_SECONDS):
        await admin.start()
        try:
            specs = topic_specs(settings)
            present = set(await admin.list_topics())
            await _create(admin, [s for s in specs if s.name not in present], settings)
            await _check_partition_counts(admin, specs)
        finally:
            await admin.close()


async def _create(
    admin: AIOKafkaAdminClient, missing: Iterable[TopicSpec], settings: Settings
) -> None:
    new_topics = [
        NewTopic(
            name=spec.name,
            num_partitions=spec.partition_count,
            replication_factor=settings.replication_factor,
            topic_configs=spec.config,
        )
        for spec in missing
    ]
    if not new_topics:
        return
    answer = await admin.create_topics(new_topics)
    for name, code, *rest in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            detail = rest[0] if rest else f"error {code}"
            raise TopicError(f"topic {name} could not be created: {detail}")


async def _check_partition_counts(admin: AIOKafkaAdminClient, specs: list[TopicSpec]) -> None:
    wanted = {spec.name: spec.partition_count for spec in specs}
    while True:
        described = await admin.describe_topics(list(wanted))
        partitions = [partition for topic in described for partition in topic["partitions"]]
        if all(item["error_code"] == 0 for item in (*described, *partitions)):
            break
        # A topic made a moment ago has no leaders yet; the caller's deadline bounds this.
        await asyncio.sleep(0.05)
    for topic in described:
        found = len(topic["partitions"])
        if found != wanted[topic["topic"]]:
            raise TopicError(
                f"topic {topic['topic']} has {found} partitions, this system is set to "
                f"{wanted[topic['topic']]}: set TAPEWORKS_PARTITION_COUNT={found}, or use another "
                "TAPEWORKS_NAMESPACE; the count of a topic that holds events never changes"
            )


def main() -> None:
    """Create and check the topics: `python -m runtime.topics`."""
    config = settings()
    asyncio.run(ensure_topics(config))
    names = ", ".join(spec.name for spec in topic_specs(config))
    print(f"here with {config.partition_count} partitions each: {names}")  # noqa: T201  a command speaks


if __name__ == "__main__":
    main()
