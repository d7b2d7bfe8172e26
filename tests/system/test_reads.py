"""One job read through every family of paths, of a running system."""

from uuid import uuid4

import pytest

from tests.system.jobs import available, reads, transactions, until_ended, until_settled


def test_a_job_asked_for_in_s2s_names_is_the_same_job_in_all_S2_13_S0_04(system):
    customer = system.new_account(100)
    body = {"model_id": "veo-3.1", "prompt": "a fox", "settings": {"duration": 4}}
    headers = {"Idempotency-Key": str(uuid4())}
    with customer.client() as client, system.client(None) as stranger:
        first = client.post("/functions/v1/generate-video", json=body, headers=headers)
        assert first.status_code == 202, first.text
        job_id = first.json()["job_id"]
        assert first.json() == {"job_id": job_id, "status": "pending", "credits_used": 40}
        task = client.get(f"/api/video/status/{job_id}").json()
        assert task["status"] in {"processing", "downloading", "completed"}
        assert until_ended(client, job_id)["status"] == "completed"
        until_settled(client, 40)

        again = client.post("/functions/v1/generate-video", json=body, headers=headers)
        assert again.content == first.content
        assert again.headers["x-idempotent-replay"] == "true"
        task = client.get(f"/api/video/status/{job_id}").json()
        job = client.get(f"/functions/v1/get-video-status?job_id={job_id}").json()
        assert (task["status"], job["status"]) == ("completed", "completed")
        assert task["operationId"] == job["provider_job_id"]
        (item,) = client.get("/api/video/history").json()["items"]
        for address in (task["videoUrl"], job["video_url"], item["permanent_video_url"]):
            part = stranger.get(address, headers={"Range": "bytes=0-99"})
            assert (part.status_code, part.headers["content-type"]) == (206, "video/mp4")
    reads(lambda: available(customer), 60)
    assert len(transactions(customer)) == 2


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/generations", "code"),
        ("/api/generate-video", "error"),
        ("/functions/v1/generate-video", "error"),
    ],
)
def test_a_refusal_is_the_same_in_each_familys_own_shape_C08(system, path, code):
    customer = system.new_account(30)
    bodies: dict[str, dict[str, object]] = {
        "/v1/generations": {"duration_seconds": 4},
        "/api/generate-video": {"duration": 4},
        "/functions/v1/generate-video": {"model_id": "veo-3.1", "settings": {"duration": 4}},
    }
    with customer.client() as client:
        headers = {"Idempotency-Key": str(uuid4())}
        answer = client.post(path, json={"prompt": "a fox", **bodies[path]}, headers=headers)
    content = answer.json()
    assert (answer.status_code, content[code]) == (402, "INSUFFICIENT_CREDITS")
    assert (content["details"]["deficit"], content["retryable"]) == (10, False)


def test_a_filtered_history_is_read_page_by_page_S0_76_C09(system):
    customer = system.new_account(80)
    with customer.client() as client:
        ended = [
            until_ended(client, client.post("/v1/generations", json=body).json()["id"])
            for body in (
                {"prompt": "one", "duration_seconds": 4},
                {"prompt": "two", "duration_seconds": 4},
            )
        ]
        query = f"status=completed,failed&created_from={ended[0]['created_at']}&limit=1"
        first = client.get(f"/v1/generations?{query}").json()
        assert [item["id"] for item in first["items"]] == [ended[1]["id"]]
        second = client.get(f"/v1/generations?{query}&cursor={first['next_cursor']}").json()
        assert [item["id"] for item in second["items"]] == [ended[0]["id"]]
        assert (second["total"], second["next_cursor"]) == (2, None)
        later = f"status=failed&limit=1&cursor={first['next_cursor']}"
        refused = client.get(f"/v1/generations?{later}")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "cursor")


def test_a_job_in_fals_queue_shows_its_picture_and_its_providers_video_id_S2_27(system):
    customer = system.new_account(40)
    picture = "https://pictures.example/fox.png"
    body = {"model_id": "sora-2-image", "prompt": "a fox runs", "image_url": picture}
    with customer.client() as client:
        headers = {"Idempotency-Key": str(uuid4())}
        posted = client.post("/functions/v1/generate-video", json=body, headers=headers)
        job = until_ended(client, posted.json()["job_id"])
    assert (job["status"], job["image_url"]) == ("completed", picture)
    assert job["provider_video_id"].startswith("video_")
    assert job["video"]["content_type"] == "video/mp4"
