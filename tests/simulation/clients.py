"""Clients: what they send to the platform, and when."""

from collections.abc import Callable
from datetime import datetime
from random import Random

from runtime.partitions import partition_of
from schemas.base import Event
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.requests import (
    CancellationRequested,
    GenerationRequested,
    PrivatePrompt,
    VideoSettings,
)
from tests.simulation.admins import Admins
from tests.simulation.broker import Broker
from tests.simulation.virtual_loop import VirtualLoop

TOPIC = "requests"
SETTINGS = [
    VideoSettings(model="veo-3.1", duration_seconds=d, resolution="720p", aspect_ratio="16:9")
    for d in (4, 6, 8)
]
BODIES = ["a" * 64, "b" * 64]


class Clients:
    """Everybody who posts; `orders` are the jobs that are asked for, repeats not counted.

    Units: seconds of virtual time.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        broker: Broker,
        random: Random,
        clock: Callable[[], datetime],
        *,
        partition_count: int,
        as_bytes: bool,
    ) -> None:
        self._loop = loop
        self._broker = broker
        self._random = random
        self._clock = clock
        self._as_bytes = as_bytes
        count = random.randint(45, 90)
        names = [f"account-{n}" for n in range(count)]
        self._accounts = {name: partition_of(name, partition_count) for name in names}
        self.admins = Admins(self, random, clock)
        self._bought: list[tuple[str, str, tuple[VideoSettings, PrivatePrompt, str]]] = []

    def begin(self, orders: int, seconds: float) -> None:
        """Plan everything that is sent within a time."""
        draw, random = self._random.random, self._random
        names = list(self._accounts)
        for name in names:
            amount = int(orders / len(names) * (30 + draw() * 120)) + 40
            self.admins.fund(name, amount, seconds)
        bursts = [draw() * seconds for _ in range(6)]
        for number in range(orders):
            at = 3 + (draw() * seconds if draw() < 0.7 else random.choice(bursts) + draw())
            self._order(number, names[int(draw() * len(names))], at)

    def _order(self, number: int, name: str, at: float) -> None:
        random, draw = self._random, self._random.random
        settings = SETTINGS[int(draw() * 3)]
        prompt = PrivatePrompt(prompt=f"order {number}")
        job_id = self.id()
        key = job_id if draw() < 0.5 else f"key-{number}"
        wanted = (settings, prompt, BODIES[0])
        self.at(at, self.generate, name, key, wanted, job_id)
        self._bought.append((name, key, wanted))
        while draw() < 0.12:
            sent = (settings, prompt, BODIES[draw() < 0.1])
            later = at + draw() * (2 if draw() < 0.5 else 60)
            self.at(later, self.generate, name, key, sent)
        if draw() < 0.12:
            later = at + draw() * (1 if draw() < 0.3 else 50)
            self.at(later, self.cancel, name, job_id)
            if draw() < 0.3:
                self.at(later + draw() * 3, self.cancel, name, job_id)
        if draw() < 0.12:
            self.admins.refund(name, job_id, number, at, random.choice(list(self._accounts)))
        if draw() < 0.03:
            # Somebody else who learned of the job's id.
            self.at(at + draw() * 20, self.cancel, random.choice(list(self._accounts)), job_id)

    def repeat(self, count: int) -> None:
        """Send some of the orders and of the changes by hand again, each under its key."""
        for _ in range(count):
            self.generate(*self._random.choice(self._bought))
        self.admins.repeat(count)

    def generate(
        self,
        name: str,
        key: str,
        wanted: tuple[VideoSettings, PrivatePrompt, str],
        job_id: str | None = None,
    ) -> None:
        settings, prompt, body_sha256 = wanted
        job_id = job_id or self.id()
        event = GenerationRequested(
            account_id=name,
            occurred_at=self._clock(),
            job_id=job_id,
            settings=settings,
            idempotency_key=key,
            body_sha256=body_sha256,
            private=prompt,
        )
        self.send(event, job_id)

    def cancel(self, name: str, job_id: str) -> None:
        event = CancellationRequested(
            account_id=name, occurred_at=self._clock(), job_id=job_id, requested_by="owner"
        )
        self.send(event, job_id)

    def send(self, event: Event, correlation_id: str) -> None:
        event_id = self.id()
        envelope = Envelope(event, event_id, "/tapeworks/ingress", correlation_id, event_id)
        number = self._accounts[event.account_id]
        if self._as_bytes:
            record = encode(envelope)
            self._broker.publish(TOPIC, number, record.key, record.value, record.headers)
        else:
            self._broker.publish(TOPIC, number, event.account_id.encode(), envelope, ())

    def at(self, seconds: float, send: Callable[..., None], *args: object) -> None:
        self._loop.world_at(self._loop.now + round(seconds, 3), send, *args)

    def id(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
