"""The ledger as Faust's guide would have it: one agent, one table, one output; stock Faust.

The rules are ours, called in the same way; what it does with state, output and offsets is Faust's
own: `at_least_once`, its transport, its table. Run as `python -m bench.naive_ledger`.
"""

import logging
from functools import reduce
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import faust

from domain.ledger import decide, evolve
from domain.ledger_state import Account, KeyUse, LedgerSlice, Reservation
from processors.expiry import KEY
from processors.ledger import ACCOUNT, JOB, STATE_TYPES, to_command
from runtime.event_log.states import PrefixCodec
from runtime.settings import settings
from schemas.codec import decode, encode
from schemas.envelope import Cause
from schemas.topics import LEDGER_EVENTS, REQUESTS

NAME = "naive-ledger"
_codec = PrefixCodec(STATE_TYPES)


def _text(state: object) -> str:
    return _codec.encode(state).decode()


def _state(prefix: str, texts: dict[str, str], key: str | None) -> Any:  # noqa: ANN401  by prefix
    text = texts.get(key) if key else None
    return _codec.decode(prefix, text.encode()) if text else None


def main() -> None:
    """Run until SIGTERM."""
    config = settings()
    app = faust.App(
        config.namespace + NAME,
        broker=f"kafka://{config.kafka_bootstrap_servers}",
        processing_guarantee="at_least_once",
        store="memory://",
        datadir=Path(mkdtemp(prefix="tapeworks-naive-")),
        topic_partitions=config.partition_count,
        # As ours, so that a kill costs both the same wait.
        broker_session_timeout=config.session_timeout_seconds,
        broker_heartbeat_interval=config.session_timeout_seconds / 3,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
        topic_disable_leader=True,
    )
    requests = app.topic(
        config.namespace + REQUESTS.name, key_serializer="raw", value_serializer="raw"
    )
    events = app.topic(
        config.namespace + LEDGER_EVENTS.name, key_serializer="raw", value_serializer="raw"
    )
    ledger = app.Table("ledger", partitions=config.partition_count)

    async def agent(stream: Any) -> None:  # noqa: ANN401  Faust's own types
        async for request in stream.events():
            message = request.message
            envelope = decode(message.key, message.value, message.headers)
            command: Any = to_command(envelope.event)
            account_id = command.account_id
            row = ledger.get(account_id) or {ACCOUNT: "", JOB: {}, KEY: {}}
            job_id = getattr(command, "job_id", None)
            key = getattr(command, "idempotency_key", None)
            account = _codec.decode(ACCOUNT, row[ACCOUNT].encode()) if row[ACCOUNT] else Account()
            assert isinstance(account, Account)
            before = LedgerSlice(account, _state(JOB, row[JOB], job_id), _state(KEY, row[KEY], key))
            decided = decide(before, command)
            after = reduce(evolve, decided, before)
            cause = Cause.of(envelope)
            for index, event in enumerate(decided):
                record = encode(cause.envelop(event, index, "/naive"))
                await events.send(key=record.key, value=record.value, headers=dict(record.headers))
            row = {ACCOUNT: _text(after.account), JOB: {**row[JOB]}, KEY: {**row[KEY]}}
            if job_id and isinstance(after.reservation, Reservation):
                row[JOB][job_id] = _text(after.reservation)
            if key and isinstance(after.key_use, KeyUse):
                row[KEY][key] = _text(after.key_use)
            ledger[account_id] = row

    app.agent(requests)(agent)
    faust.Worker(app, loglevel=logging.WARNING, redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
