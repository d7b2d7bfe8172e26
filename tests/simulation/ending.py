"""What must hold once everything has come to rest: the states, the memories, the aborted."""

from typing import Any

from domain.ledger_state import Account, EndedJob, KeyUse, Reservation
from processors.generation import OpenJob
from schemas.envelope import Envelope
from schemas.topics import GENERATION_EVENTS, GENERATION_STATE, LEDGER_EVENTS, LEDGER_STATE
from tests.simulation.books import HAND_REFUND_LIFE, AccountBook
from tests.simulation.virtual_loop import RUNNING
from tests.simulation.workers import Group
from tests.simulation.world import World

POSITIONS = b"positions"


def check_end(world: World) -> None:
    """Hold the end of a run against the oracle's books."""
    _check_ledger_states(world)
    _check_generation_states(world)
    for group in world.groups:
        _check_memories(world, group)
    _check_aborted(world)


def committed_states(world: World, topic: str, codec: Any) -> dict[str, object]:
    """Fold a state topic, all partitions."""
    found: dict[str, object] = {}
    for number in range(world.plan.partition_count):
        for key, (_, value) in world.broker.partition(topic, number).latest.items():
            if value is not None and key != POSITIONS:
                found[key.decode()] = codec.decode(key.decode(), value)
    return found


def _check_ledger_states(world: World) -> None:
    oracle = world.oracle
    codec = world.groups[0].program.codec
    states = committed_states(world, LEDGER_STATE.name, codec)
    for account_id, book in oracle.accounts.items():
        state = states.pop(f"account/{account_id}", None)
        if state != _account(book):
            oracle.wrong("T5", f"account {account_id} is {state}, the log says {book}")
    now = world.clock()
    for key, used in oracle.keys.items():
        state = states.pop(f"key/{key}", None)
        live = now < used.expires_at
        if live and not isinstance(state, KeyUse):
            oracle.wrong("I11", f"the key {key} is forgotten before {used.expires_at}")
        first = state.first_answer if isinstance(state, KeyUse) else None
        change = state.first_change if isinstance(state, KeyUse) else None
        told = change and (change.amount_credits, change.balance_after, change.changed_at)
        if state is not None and told != used.change:
            oracle.wrong("I12", f"the key {key} stands for {told}, it changed {used.change}")
        if state is not None and (first.job_id if first else None) != used.job_id:
            oracle.wrong("I12", f"the key {key} stands for {first}, it bought {used.job_id}")
    _check_ended_jobs(world, states)
    for name, state in states.items():
        what = "a reservation" if isinstance(state, Reservation) else "a state"
        oracle.wrong("T5", f"{name} has {what} that the log knows nothing of: {state}")


def _check_ended_jobs(world: World, states: dict[str, object]) -> None:
    """A job may be refunded by hand for 30 days, and its record goes with them."""
    oracle, now = world.oracle, world.clock()
    for job_id, job in oracle.jobs.items():
        if job.closed_at is None:
            continue
        name = f"ended/{job.account_id}/{job_id}"
        state = states.pop(name, None)
        expires_at = job.closed_at + HAND_REFUND_LIFE
        due = EndedJob(job.price or 0, job.closed == "refunded" or job.refunded_by_hand, expires_at)
        if state != due and (state is not None or now < expires_at):
            oracle.wrong("T5", f"{name} is {state}, the log says {due}")


def _account(book: AccountBook) -> Account:
    return Account(
        available_credits=book.available,
        reserved_credits=book.reserved,
        settled_credits=book.settled,
        granted_credits=book.granted,
        sequence=book.sequence,
        active_job_ids=tuple(book.active),
    )


def _check_generation_states(world: World) -> None:
    codec = world.groups[1].program.codec
    for name, state in committed_states(world, GENERATION_STATE.name, codec).items():
        status = state.job.status if isinstance(state, OpenJob) else state
        world.oracle.wrong("T5", f"{name} is still remembered as {status}, all jobs have ended")


def _check_memories(world: World, group: Group) -> None:
    """Every open lane remembers what its state topic says, and follows nothing that has ended."""
    codec, topic = group.program.codec, group.program.state.name
    for worker in group.members:
        if worker.process.state != RUNNING:
            continue
        for number, task in worker.lanes._opening.items():
            if not task.done():
                continue
            lane = task.result()
            committed = world.broker.partition(topic, number).latest
            expected = {
                key.decode(): codec.decode(key.decode(), value)
                for key, (_, value) in committed.items()
                if value is not None and key != POSITIONS
            }
            if dict(lane.states.items()) != expected:
                world.oracle.wrong("T5", f"{topic}[{number}] and its lane's memory differ")
            followed = getattr(lane._companion, "_known", {})
            if followed:
                world.oracle.wrong("I40", f"ended jobs are followed: {list(followed)[:3]}")


def _check_aborted(world: World) -> None:
    """Deciding again the same way makes the same ids."""
    if not world.aborted:
        return
    committed: dict[tuple[str, str, str | None], str] = {}
    for topic in (LEDGER_EVENTS.name, GENERATION_EVENTS.name):
        for number in range(world.plan.partition_count):
            partition = world.broker.partition(topic, number)
            for _, entry in partition.read(0, len(partition.entries)):
                envelope = world.envelope(entry)
                committed[_decision(envelope)] = envelope.event_id
    for envelope in world.aborted:
        again = committed.get(_decision(envelope))
        if again is not None and again != envelope.event_id:
            world.oracle.wrong(
                "T7", f"{envelope.event_type} was {envelope.event_id} before it was {again}"
            )


def _decision(envelope: Envelope) -> tuple[str, str, str | None]:
    """Name what was decided: a job that fails otherwise the next time is another decision."""
    failure = getattr(envelope.event, "failure", None)
    return envelope.causation_id, envelope.event_type, failure.code if failure else None
