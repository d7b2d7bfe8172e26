"""What a client of fal's queue meets when something goes wrong, one test per kind."""

import io

import av
import httpx
import pytest

from simulator.faults import FaultKind
from tests.simulator.conftest import FAL_VEO, FOX, FalWire, running


def assert_refused(fal: FalWire, kind: str, http_status: int, error_type: str) -> httpx.Response:
    fal.fault(kind)
    answer = fal.order()
    assert (answer.status_code, answer.json()["error_type"]) == (http_status, error_type)
    assert answer.headers["x-fal-error-type"] == error_type
    assert answer.json()["detail"]
    assert fal.row("fault", "billed", "operation", "status") == (kind, False, None, http_status)
    assert fal.order().status_code == 200
    return answer


def test_error_500_starts_nothing(fal):
    assert_refused(fal, "error_500", 500, "internal_error")


def test_error_429_starts_nothing_and_says_how_long_to_wait(fal):
    answer = assert_refused(fal, "error_429", 429, "concurrent_requests_limit")
    assert (answer.headers["x-fal-needs-retry"], answer.headers["retry-after"]) == ("1", "1")
    fal.fault("error_429", next_n=1, seconds=26.5)
    assert fal.order().headers["retry-after"] == "27"


def test_refuse_400_starts_nothing(fal):
    assert_refused(fal, "refuse_400", 400, "bad_request")


def test_hang_gives_no_answer_and_starts_nothing(fal):
    fal.fault("hang", next_n=1, seconds=3600)
    with pytest.raises(httpx.ReadTimeout):
        fal.http.post(f"/{FAL_VEO}", json=FOX, timeout=0.2)
    assert fal.row("fault", "billed", "operation") == ("hang", False, None)


def test_hang_ends_in_an_error_for_a_client_that_waits(fal):
    fal.fault("hang", next_n=1, seconds=0)
    answer = fal.order()
    assert (answer.status_code, answer.json()["error_type"]) == (504, "request_timeout")


def test_drop_answer_bills_and_cuts_the_connection(fal):
    fal.fault("drop_answer")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        fal.order()
    operation, *others = fal.row("operation", "fault", "billed", "status")
    assert others == ["drop_answer", True, "dropped"]
    assert fal.http.get(f"/{FAL_VEO}/requests/{operation}").status_code == 200


def test_error_after_accept_bills_and_answers_500(fal):
    fal.fault("error_after_accept")
    assert fal.order().status_code == 500
    operation, *others = fal.row("operation", "fault", "billed", "status")
    assert others == ["error_after_accept", True, 500]
    assert fal.http.get(f"/{FAL_VEO}/requests/{operation}").status_code == 200


def test_safety_block_is_completed_with_an_error_and_without_a_bill(fal):
    fal.fault("safety_block")
    request = fal.queued()
    status = fal.status(request)
    assert (status.status_code, status.json()["status"]) == (200, "COMPLETED")
    assert status.json()["error"]
    assert status.json()["error_type"] == "content_policy_violation"
    result = fal.result(request)
    assert (result.status_code, result.headers["x-fal-retryable"]) == (422, "false")
    (detail,) = result.json()["detail"]
    assert (detail["loc"], detail["type"]) == (["body", "prompt"], "content_policy_violation")
    assert {"msg", "url", "ctx", "input"} <= set(detail)
    assert fal.row("fault", "billed", "status") == ("safety_block", False, 200)


def test_backwards_is_completed_then_in_progress_then_completed_for_good(fal):
    fal.fault("backwards")
    request = fal.queued()
    seen = [fal.status(request).json()["status"] for _ in range(4)]
    assert seen == ["COMPLETED", "IN_PROGRESS", "COMPLETED", "COMPLETED"]
    assert fal.row("fault", "billed") == ("backwards", True)


def test_backwards_does_not_bring_a_cancelled_request_to_life(fal):
    fal.clock(3600)
    fal.fault("backwards")
    request = fal.queued()
    fal.cancel(request)
    seen = [fal.status(request).json()["status"] for _ in range(3)]
    assert seen == ["COMPLETED"] * 3


def test_never_finish_runs_for_ever(fal):
    fal.fault("never_finish")
    request = fal.queued()
    assert fal.status(request).json()["status"] == "IN_PROGRESS"
    assert fal.result(request).status_code == 400
    assert fal.row("fault", "billed") == ("never_finish", True)


def test_corrupt_download_has_the_right_size_and_is_no_video(fal):
    sound = fal.output(fal.queued()).content
    fal.fault("corrupt_download")
    spoiled = fal.output(fal.queued())
    assert (spoiled.status_code, spoiled.headers["content-type"]) == (200, "video/mp4")
    assert len(spoiled.content) == len(sound)
    with pytest.raises(av.error.InvalidDataError):
        av.open(io.BytesIO(spoiled.content))


def test_tiny_download_is_a_byte_too_small(fal):
    fal.fault("tiny_download")
    assert len(fal.output(fal.queued()).content) == 999


def test_html_download_is_a_page_that_is_not_even_small(fal):
    fal.fault("html_download")
    answer = fal.output(fal.queued())
    assert answer.headers["content-type"].startswith("text/html")
    assert len(answer.content) > 1000


def test_expired_link_fails_twice(fal):
    fal.fault("expired_link")
    request = fal.queued()
    assert [fal.output(request).status_code for _ in range(3)] == [404, 404, 200]
    assert fal.row("fault", "billed") == ("expired_link", True)


def test_a_fault_strikes_its_own_provider_only(fal, vertex, wire):
    fal.fault("error_500")
    assert (wire.submit().status_code, vertex.submit().status_code) == (200, 200)
    assert fal.order().status_code == 500


def test_one_provider_does_not_change_what_strikes_another():
    def outcomes(others: int) -> list[int]:
        with running(seed=1) as wire:
            fal = FalWire(wire.url)
            wire.fault("error_500", rate=0.5)
            fal.fault("error_500", rate=0.5)
            for _ in range(others):
                wire.submit()
            statuses = [fal.order().status_code for _ in range(20)]
            fal.close()
            return statuses

    assert outcomes(0) == outcomes(3)


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_has_a_test_here(kind):
    assert any(name.startswith(f"test_{kind}") for name in globals())
