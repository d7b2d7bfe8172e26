"""What a client meets when something goes wrong, one test per kind."""

import io
import itertools

import av
import httpx
import pytest

from tests.simulator.conftest import Wire, running


def assert_row(wire: Wire, **expected) -> None:
    (row,) = wire.rows()
    assert {name: row[name] for name in expected} == expected


def assert_refused(wire: Wire, kind: str, http_status: int, status: str) -> None:
    wire.fault(kind)
    answer = wire.submit()
    assert (answer.status_code, answer.json()["error"]["status"]) == (http_status, status)
    assert_row(wire, fault=kind, billed=False, operation=None, status=http_status)
    assert wire.submit().status_code == 200


def test_error_500_starts_nothing(wire):
    assert_refused(wire, "error_500", 500, "INTERNAL")


def test_error_429_starts_nothing(wire):
    assert_refused(wire, "error_429", 429, "RESOURCE_EXHAUSTED")


def test_error_429_says_how_long_to_wait(wire):
    wire.fault("error_429", next_n=1, seconds=27)
    (detail,) = wire.submit().json()["error"]["details"]
    assert detail == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "27s",
    }


def test_refuse_400_starts_nothing(wire):
    assert_refused(wire, "refuse_400", 400, "INVALID_ARGUMENT")


def test_hang_gives_no_answer_and_starts_nothing(wire):
    wire.fault("hang", next_n=1, seconds=3600)
    with pytest.raises(httpx.ReadTimeout):
        wire.http.post(
            "/v1beta/models/veo-3.1-generate-preview:predictLongRunning",
            json={"instances": [{"prompt": "a"}]},
            timeout=0.2,
        )
    assert_row(wire, fault="hang", billed=False, operation=None)


def test_hang_ends_in_an_error_for_a_client_that_waits(wire):
    wire.fault("hang", next_n=1, seconds=0)
    assert wire.submit().status_code == 504
    assert_row(wire, fault="hang", billed=False, operation=None, status=504)


def test_drop_answer_bills_and_cuts_the_connection(wire):
    wire.fault("drop_answer")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        wire.submit()
    assert_row(wire, fault="drop_answer", billed=True, status="dropped")
    (row,) = wire.rows()
    assert wire.poll(f"models/{row['model']}/operations/{row['operation']}")["done"]


def test_error_after_accept_bills_and_answers_500(wire):
    wire.fault("error_after_accept")
    assert wire.submit().status_code == 500
    assert_row(wire, fault="error_after_accept", billed=True, status=500)
    (row,) = wire.rows()
    assert wire.poll(f"models/{row['model']}/operations/{row['operation']}")["done"]


def test_safety_block_is_a_success_without_a_video_and_without_a_bill(wire):
    wire.fault("safety_block")
    done = wire.poll(wire.name())
    assert done["done"]
    result = done["response"]["generateVideoResponse"]
    assert (result["raiMediaFilteredCount"], len(result["raiMediaFilteredReasons"])) == (1, 1)
    assert "generatedSamples" not in result
    assert_row(wire, fault="safety_block", billed=False, status=200)


def test_backwards_is_done_then_running_then_done_for_good(wire):
    wire.fault("backwards")
    name = wire.name()
    assert [wire.poll(name).get("done", False) for _ in range(4)] == [True, False, True, True]
    assert_row(wire, fault="backwards", billed=True)


def test_never_finish_runs_for_ever(wire):
    wire.fault("never_finish")
    name = wire.name()
    assert wire.poll(name) == {"name": name}
    assert_row(wire, fault="never_finish", billed=True)


def test_corrupt_download_has_the_right_size_and_is_no_video(wire):
    sound = wire.download(wire.name()).content
    wire.fault("corrupt_download")
    spoiled = wire.download(wire.name())
    assert (spoiled.status_code, spoiled.headers["content-type"]) == (200, "video/mp4")
    assert len(spoiled.content) == len(sound)
    with pytest.raises(av.error.InvalidDataError):
        av.open(io.BytesIO(spoiled.content))


def test_tiny_download_is_a_byte_too_small(wire):
    wire.fault("tiny_download")
    answer = wire.download(wire.name())
    assert (answer.status_code, len(answer.content)) == (200, 999)


def test_html_download_is_a_page_that_is_not_even_small(wire):
    wire.fault("html_download")
    answer = wire.download(wire.name())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert len(answer.content) > 1000


def test_expired_link_fails_twice(wire):
    wire.fault("expired_link")
    name = wire.name()
    assert [wire.download(name).status_code for _ in range(3)] == [404, 404, 200]
    assert_row(wire, fault="expired_link", billed=True)


def test_downloads_says_how_many_downloads_of_each_file_are_spoiled(wire):
    wire.fault("tiny_download", next_n=1, downloads=2)
    name = wire.name()
    sizes = [len(wire.download(name).content) for _ in range(3)]
    assert [size < 1000 for size in sizes] == [True, True, False]


def test_a_fault_strikes_the_next_n_submissions_and_no_more(wire):
    wire.fault("error_500", next_n=2)
    assert [wire.submit().status_code for _ in range(3)] == [500, 500, 200]
    assert wire.http.get("/_control/faults").json() == []


def test_a_fault_waits_for_its_prompt(wire):
    wire.fault("error_500", next_n=1, prompt_contains="fox")
    assert [wire.submit(prompt).status_code for prompt in ("a cat", "a fox")] == [200, 500]


def test_a_refused_submission_uses_up_no_fault(wire):
    wire.fault("error_500")
    assert wire.submit(durationSeconds=5).status_code == 400
    assert wire.submit().status_code == 500


def test_a_download_fault_stays_with_the_job_that_drew_it(wire):
    wire.fault("tiny_download")
    spoiled, sound = wire.name(), wire.name()
    assert len(wire.download(sound).content) > 1000
    assert len(wire.download(spoiled).content) < 1000


def outcomes(seed: int) -> list[int]:
    with running(seed=seed) as wire:
        wire.fault("error_500", rate=0.5)
        return [wire.submit().status_code for _ in range(40)]


def test_a_rate_strikes_a_share_and_the_same_ones_for_the_same_seed():
    first, again, other = outcomes(1), outcomes(1), outcomes(2)
    assert first == again != other
    assert 8 < first.count(500) < 32


def test_a_rate_of_one_always_strikes_and_a_rate_of_zero_never(wire):
    wire.fault("error_429", rate=0)
    wire.fault("error_500", rate=1)
    assert [wire.submit().status_code for _ in range(3)] == [500] * 3


def test_cleared_faults_strike_no_more(wire):
    wire.fault("error_500", rate=1)
    assert wire.http.delete("/_control/faults").json() == {"removed": 1}
    assert wire.submit().status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "none"}, "kind"),
        ({"kind": None}, "kind"),
        ({"provider": "openai"}, "provider"),
        ({"next_n": 0}, "next_n"),
        ({"next_n": None}, "next_n, rate"),
        ({"rate": 0.5}, "next_n, rate"),
        ({"next_n": None, "rate": 1.1}, "rate"),
        ({"seconds": 5}, "seconds"),
        ({"kind": "hang", "seconds": -1}, "seconds"),
        ({"downloads": 1}, "downloads"),
        ({"prompt_contains": ""}, "prompt_contains"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_fault_names_its_field_and_arms_nothing(wire, change, field):
    fault = {"provider": "google", "kind": "error_500", "next_n": 1} | change
    answer = wire.http.post("/_control/faults", json=fault)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert error["remedy"]
    assert wire.http.get("/_control/faults").json() == []


def test_every_kind_has_a_test_here():
    kinds = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    from simulator.faults import FaultKind  # noqa: PLC0415  only this test needs it

    missing = itertools.filterfalse(lambda kind: any(k.startswith(kind) for k in kinds), FaultKind)
    assert list(missing) == []
