"""What Google's filter found, by code alone; and which of our own things the API misses."""

import httpx
import msgspec
import pytest

from domain.failures import ProviderFault
from domain.safety import ADVICE, UNSPECIFIED
from providers import google_wire as wire
from providers.google_safety import _CODES_BY_CATEGORY, safety_category
from providers.http_calls import Answer
from tests.providers.test_google_submit import KEY_INVALID, google_error

SORRY = "Veo could not generate videos because of the guidelines. Support codes: "


@pytest.mark.parametrize(
    ("texts", "category"),
    [
        ([SORRY + "61493863"], "violence"),
        ([SORRY + "56562880"], "violence"),
        (["nothing", SORRY + "99999999, 58061214"], "child"),
        (["support code: 32635315."], "vulgar"),
        ([SORRY + "99999999"], None),
        (["violence 61493863"], None),
        (["There is violence in it."], None),
        ([], None),
    ],
)
def test_a_category_is_read_from_a_support_code_and_never_from_words(texts, category):
    """S0-86."""
    assert safety_category(texts) == category


def test_every_category_has_an_advice_and_every_code_one_category():
    assert set(_CODES_BY_CATEGORY) == set(ADVICE) - {UNSPECIFIED}
    codes = [code for codes in _CODES_BY_CATEGORY.values() for code in codes]
    assert len(codes) == len(set(codes))


def fault_of(status: int, body: object):
    return wire.submission_fault(answer(status, body))


def answer(status: int, body: object) -> Answer:
    return Answer(status, httpx.Headers(), msgspec.json.encode(body))


@pytest.mark.parametrize(
    ("status", "body", "lacks"),
    [
        (400, google_error("INVALID_ARGUMENT", KEY_INVALID), "key"),
        (400, google_error("FAILED_PRECONDITION"), "billing"),
        (403, google_error("PERMISSION_DENIED", {"reason": "BILLING_DISABLED"}), "billing"),
        (403, google_error("PERMISSION_DENIED"), "permission"),
        (400, google_error("INVALID_ARGUMENT"), None),
        (503, google_error("UNAVAILABLE"), None),
    ],
)
def test_what_the_api_misses_of_ours_is_told_by_status_and_code(status, body, lacks):
    assert fault_of(status, body).lacks == lacks


def test_an_order_that_the_filter_refuses_is_a_matter_of_safety():
    body = {"error": {"code": 400, "message": SORRY + "61493863", "status": "INVALID_ARGUMENT"}}
    assert fault_of(400, body).safety_category == "violence"


@pytest.mark.parametrize(
    ("error", "kind", "lacks", "safety"),
    [
        ({"code": 3, "message": "No."}, "rejected", None, None),
        ({"code": 3, "message": SORRY + "61493863"}, "rejected", None, "violence"),
        ({"code": 7}, "permanent", "permission", None),
        ({"code": 8}, "permanent", "quota", None),
        ({"code": 16}, "permanent", "key", None),
        ({"code": 13}, "permanent", None, None),
    ],
)
def test_the_end_of_an_operation_says_whose_fault_it_is(error, kind, lacks, safety):
    fault = wire.polled_operation(answer(200, {"done": True, "error": error}))
    assert isinstance(fault, ProviderFault)
    assert (fault.kind, fault.lacks, fault.safety_category) == (kind, lacks, safety)


def test_a_404_of_a_poll_is_about_the_work_and_says_nothing_of_our_model():
    assert wire.poll_fault(answer(404, {})).lacks is None
    assert wire.poll_fault(answer(401, {})).lacks == "key"
