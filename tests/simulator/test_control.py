"""The simulator's own switches."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.simulator.conftest import DEADLINE_SECONDS, MODEL


def test_a_row_says_what_was_received(wire):
    name = wire.name("a red fox")
    (row,) = wire.rows()
    received_at = datetime.fromisoformat(row.pop("received_at"))
    assert received_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - received_at) < timedelta(seconds=DEADLINE_SECONDS)
    assert row == {
        "provider": "google",
        "model": MODEL,
        "operation": name.rpartition("/")[2],
        "prompt": "a red fox",
        "billed": True,
        "status": 200,
        "fault": None,
    }


def test_a_refused_submission_is_a_row_too(wire):
    wire.submit("no such model", model="veo-9")
    wire.http.post(
        f"/v1/models/{MODEL}:predictLongRunning",
        json={"instances": [{"prompt": "no key"}]},
        headers={"x-goog-api-key": ""},
    )
    rows = [(row["model"], row["prompt"], row["status"], row["billed"]) for row in wire.rows()]
    assert rows == [("veo-9", "no such model", 404, False), (MODEL, "no key", 403, False)]


def test_clearing_empties_the_count_and_not_the_work(wire):
    name = wire.name()
    assert wire.http.delete("/_control/submissions").json() == {"removed": 1}
    assert wire.rows() == []
    assert wire.poll(name)["done"]


async def test_no_submission_is_lost_or_counted_twice_when_many_come_at_once(wire):
    wire.fault("drop_answer", rate=0.2)
    async with httpx.AsyncClient(base_url=wire.url, headers=wire.http.headers) as http:

        async def submit(number: int) -> None:
            await http.post(
                f"/v1beta/models/{MODEL}:predictLongRunning",
                json={"instances": [{"prompt": f"{number}"}]},
                timeout=DEADLINE_SECONDS,
            )

        answers = await asyncio.gather(*map(submit, range(300)), return_exceptions=True)
    rows = wire.rows()
    assert sorted(int(row["prompt"]) for row in rows) == list(range(300))
    dropped = sum(isinstance(answer, httpx.TransportError) for answer in answers)
    assert Counter(row["status"] for row in rows) == {200: 300 - dropped, "dropped": dropped}
    assert dropped > 0


def test_the_clock_tells_what_it_was_set_to(wire):
    assert wire.http.post("/_control/clock", json={"seconds": 2.5}).json() == {"seconds": 2.5}
    assert wire.http.get("/_control/clock").json() == {"seconds": 2.5}


def test_a_switch_with_an_endless_body_is_refused(wire):
    answer = wire.http.post("/_control/clock", content=b" " * 100_000)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"seconds": -0.1}, "seconds"),
        ({"seconds": "soon"}, "seconds"),
        ({}, "seconds"),
        ({"seconds": 1, "minutes": 1}, "minutes"),
        ([], "body"),
    ],
)
def test_a_bad_clock_names_its_field_and_sets_nothing(wire, body, field):
    answer = wire.http.post("/_control/clock", json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert wire.http.get("/_control/clock").json() == {"seconds": 0}
