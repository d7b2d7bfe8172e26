"""Requests for videos: what they cost, and when the ledger says no."""

from functools import partial

import pytest

from domain import ledger, ledger_closing
from domain.catalogue import CATALOGUE
from domain.ledger_state import KeyUse, LedgerSlice, Policy, Reservation, is_expired, slice_keys
from schemas.ledger import FirstAnswer
from schemas.requests import VideoSettings
from tests.domain.examples import (
    AT,
    HOUR,
    OTHER_BODY,
    TICK,
    close_failed,
    grant,
    job_id,
    reserve,
    video,
)
from tests.domain.ledger_answers import declined, granted, refunded, reserved, settled
from tests.domain.ledger_book import Book, decide, evolve
from tests.spec import Spec

given = Spec(Book(), decide, evolve).given
FIRST_ANSWER = FirstAnswer(job_id=job_id(), price_credits=40, balance_after=60, reserved_at=AT)


def given_with(policy: Policy):
    return Spec(Book(), partial(decide, policy=policy), evolve).given


@pytest.mark.parametrize(("duration_seconds", "price"), [(4, 40), (6, 60), (8, 80)])
def test_a_clip_costs_ten_credits_a_second_and_they_leave_at_once(duration_seconds, price):
    """S0-18, S0-19, S0-23, I08."""
    settings = video(duration_seconds)
    given(granted(1, 100)).when(reserve(settings=settings)).then(
        reserved(
            2,
            100 - price,
            price_credits=price,
            transaction_type=f"video_{duration_seconds}s_generation",
            settings=settings,
        )
    )


def test_the_very_last_credits_buy_a_clip():
    """S0-14, I03: the balance is exactly the price."""
    given(granted(1, 40)).when(reserve()).then(reserved(2, 0))


def test_one_credit_too_few_buys_nothing_and_is_told_how_many_are_missing():
    """S0-14, S0-16, S0-85."""
    given(granted(1, 39)).when(reserve()).then(
        declined(
            "INSUFFICIENT_CREDITS",
            balance_after=39,
            details={"required": 40, "available": 39, "shortfall": 1},
        )
    )


def test_an_account_nobody_ever_granted_has_nothing():
    given().when(reserve()).then(
        declined(
            "INSUFFICIENT_CREDITS",
            sequence=1,
            balance_after=0,
            details={"required": 40, "available": 0, "shortfall": 40},
        )
    )


def test_credits_reserved_for_one_job_cannot_buy_another():
    """S0-21."""
    given(granted(1, 79), reserved(2, 39)).when(reserve(2)).then(
        declined(
            "INSUFFICIENT_CREDITS",
            sequence=3,
            balance_after=39,
            number=2,
            details={"required": 40, "available": 39, "shortfall": 1},
        )
    )


def two_active():
    return given(granted(1, 1000), reserved(2, 960, 1), reserved(3, 920, 2))


def three_active():
    return two_active().given(reserved(4, 880, 3))


def test_a_third_job_may_run_beside_two_others():
    """S0-31."""
    two_active().when(reserve(3)).then(reserved(4, 880, 3))


def test_a_fourth_job_is_declined_with_the_jobs_that_are_running():
    """S0-15, S0-31, S0-34, S0-35, I17."""
    three_active().when(reserve(4)).then(
        declined(
            "TOO_MANY_ACTIVE_JOBS",
            sequence=5,
            balance_after=880,
            number=4,
            details={
                "current": 3,
                "limit": 3,
                "active_job_ids": (job_id(1), job_id(2), job_id(3)),
            },
        )
    )


@pytest.mark.parametrize("end", [settled(5, 880, 2), refunded(5, 920, 2)])
def test_a_job_that_ended_makes_room_for_another(end):
    three_active().given(end).when(reserve(4)).then(reserved(6, end.balance_after - 40, 4))


def test_a_declined_job_takes_no_place_among_the_active_ones():
    two_active().given(declined("UNKNOWN_MODEL", sequence=4, balance_after=920, number=9)).when(
        reserve(3)
    ).then(reserved(5, 880, 3))


def test_who_is_broke_and_at_the_limit_is_told_about_credits():
    """S0-12."""
    given(granted(1, 159), reserved(2, 119, 1), reserved(3, 79, 2), reserved(4, 39, 3)).when(
        reserve(4)
    ).then(
        declined(
            "INSUFFICIENT_CREDITS",
            sequence=5,
            balance_after=39,
            number=4,
            details={"required": 40, "available": 39, "shortfall": 1},
        )
    )


def test_the_limit_in_force_is_the_one_of_the_policy():
    """S0-32."""
    policy = Policy(active_jobs_max=1)
    start = given_with(policy)(granted(1, 100))
    start.when(reserve()).then(reserved())
    start.given(reserved()).when(reserve(2)).then(
        declined(
            "TOO_MANY_ACTIVE_JOBS",
            sequence=3,
            balance_after=60,
            number=2,
            details={"current": 1, "limit": 1, "active_job_ids": (job_id(1),)},
        )
    )


def test_while_generation_is_off_nothing_new_is_bought():
    """S0-17, I25: the switch is looked at before the model and the credits."""
    off = Policy(generation_enabled=False)
    given_with(off)().when(reserve(settings=video(model="no-such-model"))).then(
        declined("GENERATION_DISABLED", sequence=1, balance_after=0)
    )


def test_while_generation_is_off_running_jobs_still_end():
    """S0-17."""
    off = Policy(generation_enabled=False)
    given_with(off)(granted(1, 100), reserved()).when(close_failed()).then(refunded())


def test_a_model_nobody_sells_is_declined_before_the_credits_are_looked_at():
    given().when(reserve(settings=video(model="sora-9"))).then(
        declined(
            "UNKNOWN_MODEL",
            sequence=1,
            balance_after=0,
            details={"model": "sora-9", "allowed": tuple(CATALOGUE)},
        )
    )


@pytest.mark.parametrize(
    ("settings", "field", "value", "allowed"),
    [
        (video(duration_seconds=5), "duration_seconds", "5", ("4", "6", "8")),
        (video(resolution="4k"), "resolution", "4k", ("720p", "1080p")),
        (video(aspect_ratio="1:1"), "aspect_ratio", "1:1", ("16:9", "9:16")),
    ],
)
def test_a_setting_the_model_does_not_offer_is_declined_and_never_changed(
    settings: VideoSettings, field, value, allowed
):
    """S0-08, S0-78, I26: before the credits are looked at."""
    given().when(reserve(settings=settings)).then(
        declined(
            "UNSUPPORTED_SETTING",
            sequence=1,
            balance_after=0,
            details={"field": field, "value": value, "allowed": allowed},
        )
    )


# Idempotency keys.


def test_a_redelivered_request_buys_nothing_more():
    """I11, I14."""
    given(granted(1, 100), reserved()).when(reserve()).then()


def test_a_job_that_is_reserved_is_not_reserved_again_whatever_its_key():
    """I04: a second price for one job could never be given back."""
    given(granted(1, 100), reserved()).when(reserve(key="another-key")).then()


def test_a_repeat_with_the_same_key_and_body_gets_the_first_answer_again():
    """I11, I12."""
    given(granted(1, 100), reserved()).when(reserve(2, key="key-1")).then(
        declined(
            "IDEMPOTENT_REPLAY",
            sequence=3,
            balance_after=60,
            number=2,
            first_answer=FIRST_ANSWER,
        )
    )


def test_a_repeat_gets_the_first_answer_even_when_its_job_has_ended():
    """I12: with the balance as it was then."""
    given(granted(1, 100), reserved(), refunded()).when(reserve(2, key="key-1")).then(
        declined(
            "IDEMPOTENT_REPLAY",
            sequence=4,
            balance_after=100,
            number=2,
            first_answer=FIRST_ANSWER,
        )
    )


def test_a_key_outlives_its_job_in_a_single_slice_too():
    """Whoever keeps account, job and key together must see the same ledger."""
    one_page = Spec(LedgerSlice(), ledger.decide, ledger.evolve).given
    one_page(granted(1, 100), reserved(), refunded()).when(reserve()).then()


def test_a_repeat_is_answered_even_when_nothing_could_be_bought_now():
    """I12: the key is looked at before the switch, the model, the credits and the limit."""
    off = Policy(generation_enabled=False, active_jobs_max=1)
    given_with(off)(granted(1, 40), reserved(2, 0)).when(reserve(2, key="key-1")).then(
        declined(
            "IDEMPOTENT_REPLAY",
            sequence=3,
            balance_after=0,
            number=2,
            first_answer=FIRST_ANSWER.model_copy(update={"balance_after": 0}),
        )
    )


def test_a_key_does_not_stand_for_another_body():
    given(granted(1, 100), reserved()).when(reserve(2, key="key-1", body=OTHER_BODY)).then(
        declined("IDEMPOTENCY_KEY_REUSED", sequence=3, balance_after=60, number=2)
    )


def test_a_key_that_named_a_grant_does_not_buy_a_job():
    given(granted(1, 100, key="key-1")).when(reserve()).then(declined("IDEMPOTENCY_KEY_REUSED"))


def test_a_key_belongs_to_its_account():
    bob = {"account_id": "bob"}
    given(granted(1, 100), reserved(), granted(1, 40).model_copy(update=bob)).when(
        reserve(2, account_id="bob", key="key-1")
    ).then(reserved(2, 0, 2, key="key-1").model_copy(update=bob))


def test_a_declined_request_leaves_its_key_free():
    """Whoever was short of credits may buy some and send the same request again."""
    given(declined("INSUFFICIENT_CREDITS", sequence=1, balance_after=0), granted(2, 100)).when(
        reserve(2, key="key-1")
    ).then(reserved(3, 60, 2, key="key-1"))


def test_a_key_stands_for_its_job_until_the_last_moment_of_its_72_hours():
    late = AT + 72 * HOUR - TICK
    given(granted(1, 100), reserved()).when(reserve(2, key="key-1", at=late)).then(
        declined(
            "IDEMPOTENT_REPLAY",
            sequence=3,
            balance_after=60,
            number=2,
            first_answer=FIRST_ANSWER,
            at=late,
        )
    )


def test_after_72_hours_a_key_may_buy_another_job():
    later = AT + 72 * HOUR
    given(granted(1, 100), reserved()).when(reserve(2, key="key-1", at=later)).then(
        reserved(3, 20, 2, key="key-1", at=later)
    )


def test_a_key_used_again_after_its_time_stands_for_its_second_job():
    later = AT + 72 * HOUR
    given(granted(1, 100), reserved(), reserved(3, 20, 2, key="key-1", at=later)).when(
        reserve(3, key="key-1", at=later)
    ).then(
        declined(
            "IDEMPOTENT_REPLAY",
            sequence=4,
            balance_after=20,
            number=3,
            first_answer=FirstAnswer(
                job_id=job_id(2), price_credits=40, balance_after=20, reserved_at=later
            ),
            at=later,
        )
    )


def test_a_keys_record_may_be_dropped_from_the_moment_its_time_is_over():
    key_use = KeyUse("", AT)
    assert not is_expired(key_use, AT - TICK)
    assert is_expired(key_use, AT)


def test_a_command_names_the_records_it_concerns():
    keys = slice_keys(reserve())
    assert (keys.account_id, keys.job_id, keys.idempotency_key) == ("alice", job_id(), "key-1")
    assert slice_keys(grant()).job_id is None
    with pytest.raises(AssertionError, match="str concerns no account"):
        slice_keys("alice")


@pytest.mark.parametrize("answer", [ledger.decide, ledger_closing.close])
def test_something_that_is_no_command_is_a_bug(answer):
    page = LedgerSlice(reservation=Reservation(40, "video_4s_generation", AT))
    with pytest.raises(AssertionError):
        answer(page, object())
