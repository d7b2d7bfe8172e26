"""Which partition an account lives in: the same answer for every writer and reader."""

from aiokafka.partitioner import murmur2


def partition_of(account_id: str, partition_count: int) -> int:
    """Give the partition of an account in every public topic.

    Source: Kafka's default partitioner (murmur2 of the key), so that any client agrees.
    """
    # murmur2 is signed in the reference; its sign bit is cut off before the division.
    return int(murmur2(account_id.encode()) & 0x7FFFFFFF) % partition_count
