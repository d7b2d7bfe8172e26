"""The ledger processor: which command an event is, which records change, which ids follow."""

import pytest

from domain.ledger_by_hand import key_use_of
from domain.ledger_state import Account, EndedJob, KeyUse, Reservation
from processors.expiry import Expiry, Forget
from processors.ledger import LedgerProgram, to_command
from runtime.event_log.states import States
from runtime.settings import Settings
from schemas.base import Event
from schemas.envelope import derived_event_id
from schemas.ledger import (
    CancellationDeclined,
    CreditsReserved,
    HandRefundDeclined,
    ReservationDeclined,
)
from schemas.topics import EVENT_TYPES
from tests.contract.frozen import VALID
from tests.domain.examples import (
    AT,
    BODY,
    FAILURE,
    HOUR,
    TICK,
    adjust,
    cancel,
    close_cancelled,
    close_failed,
    grant,
    job_id,
    refund_by_hand,
    reserve,
    settle,
)
from tests.domain.job_examples import cancelled, completed, failed
from tests.domain.ledger_answers import (
    adjusted,
    cancellation_accepted,
    granted,
    refunded,
    refunded_by_hand,
    reserved,
    settled,
)
from tests.shell.lane_in_memory import (
    TRACE,
    Batch,
    FakeLane,
    adjustment_requested,
    arriving,
    cancellation_requested,
    generation_requested,
    grant_requested,
    hand_refund_requested,
)

JOB_KEY = f"job/alice/{job_id()}"
UNDERSTOOD = {
    "GenerationRequested",
    "CancellationRequested",
    "CreditGrantRequested",
    "CreditAdjustmentRequested",
    "HandRefundRequested",
    "GenerationCompleted",
    "GenerationFailed",
    "GenerationCancelled",
}


def ledger(*, generation_enabled: bool = True, active_jobs_max: int = 3) -> Batch:
    settings = Settings(
        TAPEWORKS_GENERATION_ENABLED=generation_enabled,
        TAPEWORKS_ACTIVE_JOBS_MAX=active_jobs_max,
    )
    return Batch(LedgerProgram(settings))


def with_a_job() -> Batch:
    batch = ledger()
    batch.event(grant_requested())
    batch.event(generation_requested())
    batch.commit()
    return batch


@pytest.mark.parametrize(
    ("event", "command"),
    [
        (generation_requested(), reserve()),
        (grant_requested(7), grant(7)),
        (adjustment_requested(-7), adjust(-7)),
        (hand_refund_requested(), refund_by_hand()),
        (cancellation_requested(), cancel()),
        (completed(), settle()),
        (failed(FAILURE), close_failed()),
        (cancelled("accepted"), close_cancelled(submitted=True)),
        (cancelled(), close_cancelled(submitted=False)),
    ],
)
def test_an_event_is_read_as_its_command(event: Event, command):
    assert to_command(event) == command


def test_every_other_event_is_passed_over():
    """`VALID` holds one event of every type there is."""
    for example in VALID:
        name = example.text["headers"]["ce_type"].removeprefix("tapeworks.")
        event = EVENT_TYPES[name].model_validate_json(example.record.value or b"")
        assert (to_command(event) is not None) == (name in UNDERSTOOD)
        if name not in UNDERSTOOD:
            batch = with_a_job()
            assert batch.event(event) == []
            assert batch.commit() == {}


@pytest.mark.parametrize(
    ("arrived", "answer"),
    [
        (generation_requested(2), reserved(3, 20, 2)),
        (grant_requested(7, "more"), granted(3, 67, 7, key="more")),
        (adjustment_requested(-7), adjusted(3, 53, -7)),
        (cancellation_requested(), cancellation_accepted(3, 60)),
        (completed(), settled(3, 60)),
        (failed(FAILURE), refunded(3, 100)),
    ],
)
def test_an_answer_names_its_cause_its_story_and_its_trace(arrived: Event, answer: Event):
    """I44; ids are derived, so that deciding again makes the same."""
    envelope = arriving(arrived, "the story")
    (out,) = with_a_job().envelope(envelope)
    assert out.event == answer
    assert type(out.event) is type(answer)
    assert out.event_id == derived_event_id(envelope.event_id, type(answer).__name__, 0)
    assert (out.causation_id, out.correlation_id) == (envelope.event_id, "the story")
    assert (out.traceparent, out.source) == (TRACE, "/tapeworks/ledger")


def test_a_reservation_changes_three_records_and_its_end_ends_one_and_begins_one():
    batch = ledger()
    batch.event(grant_requested())
    assert batch.commit() == {
        "account/alice": Account(100, granted_credits=100, sequence=1),
        "key/alice/grant": key_use_of(granted(1, 100)),
    }
    (out,) = batch.event(generation_requested())
    changed = batch.commit()
    assert isinstance(out.event, CreditsReserved)
    assert set(changed) == {"account/alice", JOB_KEY, "key/alice/key-1"}
    assert changed["account/alice"] == Account(60, 40, 0, 100, 2, (job_id(),))
    assert changed[JOB_KEY] == Reservation(40, "video_4s_generation", AT)
    batch.event(completed())
    assert batch.commit() == {
        "account/alice": Account(60, 0, 40, 100, 3),
        JOB_KEY: None,
        f"ended/alice/{job_id()}": EndedJob(40, refunded=False, expires_at=AT + 720 * HOUR),
    }


def test_a_declined_request_changes_the_account_alone():
    """Its key stays free, and nothing of it grows."""
    batch = ledger()
    (out,) = batch.event(generation_requested())
    assert isinstance(out.event, ReservationDeclined)
    assert batch.commit() == {"account/alice": Account(sequence=1)}


@pytest.mark.parametrize(
    "event", [generation_requested(), grant_requested(), completed(), failed(FAILURE)]
)
def test_a_redelivered_input_leads_to_nothing(event: Event):
    """I14."""
    batch = with_a_job()
    batch.event(event)
    batch.commit()
    assert batch.event(event) == []
    assert batch.commit() == {}


def test_a_job_is_refunded_by_hand_from_what_the_ledger_remembers_of_its_end():
    """Decision 0020."""
    batch = with_a_job()
    batch.event(completed())
    batch.commit()
    (out,) = batch.event(hand_refund_requested())
    assert out.event == refunded_by_hand()
    assert batch.commit() == {
        "account/alice": Account(100, 0, 0, 100, 4),
        "key/alice/refund": key_use_of(refunded_by_hand()),
        f"ended/alice/{job_id()}": EndedJob(40, refunded=True, expires_at=AT + 720 * HOUR),
    }
    (again,) = batch.event(hand_refund_requested("again"))
    assert isinstance(again.event, HandRefundDeclined)
    assert again.event.code == "ALREADY_REFUNDED"


def test_an_ended_job_is_forgotten_when_its_30_days_are_over():
    states = States()
    states.load("ended/alice/1", EndedJob(40, refunded=False, expires_at=AT))
    batch = Batch(LedgerProgram(Settings()), states)
    batch.command(Forget(("ended/alice/1",), AT - TICK))
    assert batch.commit() == {}
    batch.command(Forget(("ended/alice/1",), AT))
    assert batch.commit() == {"ended/alice/1": None}


def test_inputs_of_one_batch_see_each_other():
    """S0-21: two requests at once cannot spend the same credits."""
    batch = ledger()
    batch.event(grant_requested(40))
    (first,) = batch.event(generation_requested(1))
    (second,) = batch.event(generation_requested(2))
    assert isinstance(first.event, CreditsReserved)
    assert isinstance(second.event, ReservationDeclined)


def test_nothing_is_remembered_of_a_batch_that_was_not_committed():
    batch = ledger()
    batch.event(grant_requested())
    assert len(batch.states) == 0


def test_the_switch_and_the_limit_of_the_settings_are_in_force():
    """S0-17, S0-32."""
    (off,) = ledger(generation_enabled=False).event(generation_requested())
    limited = ledger(active_jobs_max=1)
    limited.event(grant_requested())
    limited.event(generation_requested(1))
    (over,) = limited.event(generation_requested(2))
    assert [getattr(out.event, "code", "") for out in (off, over)] == [
        "GENERATION_DISABLED",
        "TOO_MANY_ACTIVE_JOBS",
    ]


def test_every_record_the_ledger_writes_it_can_read():
    batch = with_a_job()
    codec = LedgerProgram.codec
    for key, state in batch.states.items():
        assert codec.decode(key, codec.encode(state)) == state


def test_a_job_of_another_account_is_like_one_that_does_not_exist():
    """S0-105, I27: both accounts may share a lane, and so a store of states."""
    (out,) = with_a_job().event(cancellation_requested(account_id="mallory"))
    assert isinstance(out.event, CancellationDeclined)
    assert out.event.code == "JOB_NOT_ACTIVE"


# Keys whose time is over.


def with_keys(**expiry_hours: int) -> States:
    states = States()
    for name, hours in expiry_hours.items():
        states.load(f"key/alice/{name}", KeyUse(BODY, AT + hours * HOUR))
    return states


def test_forgotten_keys_end_their_records_and_lead_to_no_events():
    batch = Batch(LedgerProgram(Settings()), with_keys(old=-1, older=-2, young=72))
    assert batch.command(Forget(("key/alice/old", "key/alice/older"), AT)) == []
    assert batch.commit() == {"key/alice/old": None, "key/alice/older": None}
    assert [key for key, _ in batch.states.items()] == ["key/alice/young"]


def test_forgetting_a_key_twice_ends_it_once():
    batch = Batch(LedgerProgram(Settings()), with_keys(old=-1))
    batch.command(Forget(("key/alice/old", "key/alice/old", "key/alice/unknown"), AT))
    assert batch.commit() == {"key/alice/old": None}
    batch.command(Forget(("key/alice/old",), AT))
    assert batch.commit() == {}


def test_a_key_that_was_used_again_meanwhile_is_not_forgotten():
    """I11: the sweep saw its end, but a new job was bought with it before the lane's answer."""
    batch = Batch(LedgerProgram(Settings()), with_keys(**{"key-1": 0}))
    sweep = Forget(("key/alice/key-1",), AT)
    batch.event(grant_requested())
    batch.event(generation_requested(at=AT + HOUR))
    batch.command(sweep)
    (again,) = batch.event(generation_requested(2, key="key-1", at=AT + HOUR))
    assert isinstance(again.event, ReservationDeclined)
    assert again.event.code == "IDEMPOTENT_REPLAY"


def test_a_key_is_forgotten_from_the_moment_of_its_end_and_not_before():
    batch = Batch(LedgerProgram(Settings()), with_keys(old=0))
    batch.command(Forget(("key/alice/old",), AT - TICK))
    assert batch.commit() == {}
    batch.command(Forget(("key/alice/old",), AT))
    assert batch.commit() == {"key/alice/old": None}


def test_a_command_nobody_declared_is_a_bug():
    with pytest.raises(AssertionError, match="no rule for str"):
        ledger().command("settle everything")


def test_the_ledger_watches_over_its_own_keys():
    assert isinstance(LedgerProgram(Settings()).companion(FakeLane()), Expiry)
