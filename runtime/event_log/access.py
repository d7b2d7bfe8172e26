"""How a lane reaches the log: the broker's clients, and how events become records.

A seam: the simulation of tests/simulation puts a broker in memory here (decision 0027).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.codec import Record, decode, encode
from schemas.envelope import Envelope

Decode = Callable[[bytes | None, bytes | None, Iterable[tuple[str, bytes]]], Envelope]


@dataclass(frozen=True, slots=True)
class LogAccess:
    """What a lane is given to read and write with.

    Shape: `producer` and `consumer` take and offer what aiokafka's classes do.
    """

    producer: Callable[..., Any] = AIOKafkaProducer
    consumer: Callable[..., Any] = AIOKafkaConsumer
    encode: Callable[[Envelope], Record] = encode
    decode: Decode = decode


KAFKA = LogAccess()
