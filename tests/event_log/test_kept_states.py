"""What a lane puts away as bytes goes on as if it had stayed an object (decision 0040)."""

from domain.ledger_state import Account
from processors.ledger import LedgerProgram
from runtime.event_log.lane import Lane
from runtime.settings import Settings
from tests.event_log.feeding import (
    PARTITION,
    generation,
    grant,
    inputs,
    publish,
    raise_died,
    read,
    until_decided,
)

ACCOUNTS = ("alice", "bob", "carol")
ROUNDS = 4


class Forgetful(LedgerProgram):
    """A ledger that keeps one state as an object."""

    used_states_max = 1


async def test_a_lane_that_puts_every_state_away_decides_as_any_other(settings: Settings) -> None:
    requests = [grant(account) for account in ACCOUNTS]
    for _ in range(ROUNDS):
        requests += [grant(account, 5) for account in ACCOUNTS]
    requests += [generation(account) for account in ACCOUNTS]
    await publish(settings, "requests", requests)
    lane = Lane(Forgetful(settings), PARTITION, settings, raise_died)
    await lane.open()
    for record in await inputs(settings, "requests"):
        await lane.put(record)
        await until_decided(lane, record.topic, record.offset + 1)
    assert len(lane.states._used) == 1
    seen = dict(lane.states.items())
    await lane.close()
    assert len(await read(settings, "ledger.events")) == len(requests)
    for account in ACCOUNTS:
        state = seen[f"account/{account}"]
        assert isinstance(state, Account)
        assert state.granted_credits == 100 + 5 * ROUNDS
        assert state.available_credits + state.reserved_credits == state.granted_credits
        assert state.reserved_credits > 0

    following = Lane(LedgerProgram(settings), PARTITION, settings, raise_died)
    await following.open()
    assert dict(following.states.items()) == seen
    await following.close()
