"""Finds what stands twice in a log of any length, at 16 bytes of memory per entry."""

from array import array
from collections import Counter
from collections.abc import Hashable, Iterator

from schemas.topics import PUBLIC_TOPICS

# 1,000,000 hashes make a set of about 70 MB; longer logs are looked through in so many parts.
HASHES_PER_PART = 1_000_000
TOPIC_NAMES = tuple(topic.name for topic in PUBLIC_TOPICS)
_TOPIC_INDEXES = {name: index for index, name in enumerate(TOPIC_NAMES)}
# A place in one integer: 2 bits of topic, 8 of partition (at most 256), the rest offset.
_TOPIC_BITS, _PARTITION_BITS = 2, 8
# 500,000: some 100 MB at most, and hours of a busy system.
RECENT_IDS_MAX = 500_000


def place(topic: str, partition: int, offset: int) -> str:
    """Name one record, as every tool of Kafka does."""
    return f"{topic}[{partition}]@{offset}"


class UniqueIds:
    """Remembers ids by their 64-bit hash, and where each stood.

    Guarantee: names every repeat. Two different ids of 10 million share a hash once in 400,000
    audits; the places named then show two different ids.
    """

    def __init__(self) -> None:
        self._hashes = array("q")
        self._places = array("q")

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, id_: Hashable, topic: str, partition: int, offset: int) -> None:
        """Remember one id and its place."""
        self._hashes.append(hash(id_))
        at = (offset << _PARTITION_BITS | partition) << _TOPIC_BITS | _TOPIC_INDEXES[topic]
        self._places.append(at)

    def repeats(self) -> Iterator[list[str]]:
        """Give the places of each id that stands more than once."""
        part_count = len(self._hashes) // HASHES_PER_PART + 1
        for part in range(part_count):
            hashes = [h for h in self._hashes if h % part_count == part]
            if len(set(hashes)) < len(hashes):
                yield from self._places_of(h for h, n in Counter(hashes).items() if n > 1)

    def _places_of(self, repeated: Iterator[int]) -> Iterator[list[str]]:
        places: dict[int, list[str]] = {h: [] for h in repeated}
        for h, at in zip(self._hashes, self._places, strict=True):
            if h in places:
                places[h].append(_spelled(at))
        yield from places.values()


class RecentIds:
    """Remembers at least the latest 500,000 ids, at most twice as many."""

    def __init__(self, ids_max: int = RECENT_IDS_MAX) -> None:
        self._ids_max = ids_max
        self._newer: dict[str, str] = {}
        self._older: dict[str, str] = {}

    def __contains__(self, id_: str) -> bool:
        return id_ in self._newer or id_ in self._older

    def add(self, id_: str, at: str = "") -> str | None:
        """Remember one id; give where it stood before, if it did."""
        before = self._newer.get(id_) if id_ in self._newer else self._older.get(id_)
        self._newer[id_] = at
        if len(self._newer) >= self._ids_max:
            self._older, self._newer = self._newer, {}
        return before


class RecentUniqueIds:
    """As UniqueIds, in bounded memory: a repeat is found among the latest ids only."""

    def __init__(self) -> None:
        self._recent = RecentIds()
        self._count = 0
        self._found: list[list[str]] = []

    def __len__(self) -> int:
        return self._count

    def add(self, id_: Hashable, topic: str, partition: int, offset: int) -> None:
        """Remember one id and its place."""
        self._count += 1
        at = place(topic, partition, offset)
        before = self._recent.add(str(id_), at)
        if before is not None:
            self._found.append([before, at])

    def repeats(self) -> Iterator[list[str]]:
        """Give the places of each repeat since the last call."""
        found, self._found = self._found, []
        yield from found


def _spelled(at: int) -> str:
    topic = TOPIC_NAMES[at & (1 << _TOPIC_BITS) - 1]
    partition = at >> _TOPIC_BITS & (1 << _PARTITION_BITS) - 1
    return place(topic, partition, at >> _TOPIC_BITS + _PARTITION_BITS)
