"""What a seed stands for: the size of the system, and how badly it is treated."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One seed's world.

    `as_bytes`: events and states pass through the real codecs, and the audit of `tape verify` reads
    the log at the end; elsewhere objects are passed on as they are.
    Units: seconds of virtual time; `latency_seconds` is the mean of one request to the broker.
    """

    as_bytes: bool
    partition_count: int
    workers: tuple[int, int]
    latency_seconds: float
    posting_seconds: float
    redelivery: float
    failing: float
    provider_faults: float
    crashes: int
    freezes: int
    cuts: int
    rebalances: int
    retirements: int
    skewed: bool
    leap_seconds: float | None
    forgetting: float

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """Draw the world of a seed; one in 16 has no faults at all."""
        random = Random(f"plan {seed}")
        faulty = seed % 16 != 5
        leap = random.random() < 0.15
        # Around the life of a key, and of an ended job: 30 days.
        hours = random.choice((70.9, 71.9, 71.99, 72.01, 73.5, 719.9, 719.99, 720.01, 721.5))
        return cls(
            as_bytes=seed % 16 == 3,
            partition_count=random.choice((1, 1, 2, 3)),
            workers=(random.randint(1, 2), random.randint(1, 3)),
            latency_seconds=random.choice((0.02, 0.2, 0.4, 0.6)),
            posting_seconds=random.choice((20.0, 30.0, 60.0)),
            redelivery=faulty * random.choice((0.0, 0.3, 1.0)),
            failing=faulty * random.choice((0.0, 0.0, 0.002)),
            provider_faults=faulty * random.choice((0.0, 1.0, 1.0, 2.0)),
            crashes=faulty * random.randint(0, 5),
            freezes=faulty * random.randint(0, 2),
            cuts=faulty * random.randint(0, 2),
            rebalances=faulty * random.randint(0, 1),
            retirements=faulty * random.randint(0, 1),
            skewed=faulty and random.random() < 0.25,
            leap_seconds=hours * 3600 if leap else None,
            forgetting=faulty * random.choice((0.0, 0.0, 0.0, 0.5)),
        )
