"""What a transaction of a lane will hold: what its inputs led to, by the program's rules."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime import metrics
from runtime.event_log.access import LogAccess
from runtime.event_log.dead_letters import dead_letter
from runtime.event_log.fenced_producer import OutgoingRecord
from runtime.event_log.program import InputRecord, Program
from runtime.event_log.states import Overlay, States
from runtime.exits import Die
from runtime.logs import logger
from runtime.settings import Settings
from schemas.codec import ContractError
from schemas.envelope import Envelope
from schemas.topics import TOPIC_BY_EVENT

log = logger(__name__)
# 3: a rule that raises is tried again in case the fault lies outside it, then set aside.
DECIDE_ATTEMPTS_MAX = 3


@dataclass(frozen=True, slots=True)
class Command:
    """Something of our own to decide; `committed` is done once it is on the log."""

    command: object
    committed: asyncio.Future[None]


@dataclass(slots=True)
class Batch:
    """What one transaction will hold."""

    overlay: Overlay
    records: list[OutgoingRecord] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    answers: list[asyncio.Future[None]] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether there is anything to write but positions."""
        return bool(self.records or self.overlay.changed)


class Decider:
    """Has the inputs of one partition number decided by a program."""

    def __init__(
        self, program: Program, partition: int, settings: Settings, die: Die, access: LogAccess
    ) -> None:
        self._program = program
        self._partition = partition
        self._namespace = settings.namespace
        self._die = die
        self._access = access
        self._output = settings.namespace + program.output.name
        self._inputs = {settings.namespace + topic.name: topic for topic in program.inputs}

    def decide(self, inputs: Sequence[InputRecord | Command], states: States) -> Batch:
        """Decide inputs one after the other, each on what the ones before it have changed.

        A record that cannot be read, or whose rule keeps raising, is set aside; a command of our
        own that cannot be decided ends the process.
        """
        batch = Batch(Overlay(states))
        for item in inputs:
            if isinstance(item, InputRecord):
                self._decide_record(item, batch)
            else:
                self._decide_command(item, batch)
        commands = len(batch.answers)
        metrics.lane_inputs.labels(self._program.name, "record").inc(len(inputs) - commands)
        metrics.lane_inputs.labels(self._program.name, "command").inc(commands)
        return batch

    def _decide_record(self, record: InputRecord, batch: Batch) -> None:
        batch.positions[record.topic] = record.offset + 1
        try:
            envelope = self._access.decode(record.key, record.value, record.headers)
        except ContractError as error:
            self._set_aside(record, batch, error.reason, str(error))
            return
        if TOPIC_BY_EVENT[type(envelope.event)] is not self._inputs[record.topic]:
            # One writer per topic (decision 0009): whoever wrote this is not the one who may.
            detail = f"{envelope.event_type} does not belong on {record.topic}"
            self._set_aside(record, batch, "wrong_topic", detail)
            return
        for attempt in range(1, DECIDE_ATTEMPTS_MAX + 1):
            try:
                envelopes = self._program.decide_event(envelope, batch.overlay)
            except Exception as error:
                batch.overlay.drop()
                log.exception("decide_failed", event_id=envelope.event_id, attempt=attempt)
                if attempt == DECIDE_ATTEMPTS_MAX:
                    self._set_aside(record, batch, "processing_failed", repr(error))
            else:
                self._keep(envelopes, batch)
                return

    def _decide_command(self, item: Command, batch: Batch) -> None:
        try:
            envelopes = self._program.decide_command(item.command, batch.overlay)
        except Exception as error:  # noqa: BLE001  the process ends: no rule may fail on our own command
            self._die(f"a command could not be decided: {item.command!r}: {error!r}")
        self._keep(envelopes, batch)
        batch.answers.append(item.committed)

    def _keep(self, envelopes: Sequence[Envelope], batch: Batch) -> None:
        batch.overlay.keep()
        for envelope in envelopes:
            record = self._access.encode(envelope)
            batch.records.append(
                OutgoingRecord(self._output, record.key, record.value, record.headers)
            )
            batch.envelopes.append(envelope)

    def _set_aside(self, record: InputRecord, batch: Batch, reason: str, detail: str) -> None:
        topic = self._inputs[record.topic]
        metrics.dead_letters.labels(topic.name, reason).inc()
        log.error(
            "record_set_aside",
            topic=record.topic,
            partition=self._partition,
            offset=record.offset,
            reason=reason,
            detail=detail,
        )
        batch.records.append(
            dead_letter(
                record,
                self._namespace + topic.dead_letter,
                self._partition,
                reason=reason,
                detail=detail,
                by=self._program.name,
            )
        )
