"""Credits and what they pay for, through the running system and the command line."""

import time
from itertools import pairwise
from uuid import uuid4

from tests.running import tape
from tests.system.jobs import available, post, reads, transactions, until_ended, until_settled


def test_a_delivered_job_is_refunded_by_hand_once_and_its_cost_stays_on_record(system):
    """Decision 0020, I02, I37, S0-24, S0-29, S4-95."""
    customer = system.new_account(100)
    prompt = "y" * 60
    with customer.client() as client:
        job_id = until_ended(client, post(client, prompt=prompt).json()["id"])["id"]
        until_settled(client, 40)
    refunded = tape(["credits", "refund", job_id, "--reason", "it flickers"], system.state_dir)
    assert refunded.returncode == 0, refunded.stderr
    assert "40 credits" in refunded.stdout
    again = tape(["credits", "refund", job_id, "--reason", "once more"], system.state_dir)
    assert again.returncode == 1
    assert "ALREADY_REFUNDED" in again.stderr
    reads(lambda: available(customer), 100)
    rows = transactions(customer)
    assert [(row["type"], row["amount_credits"], row["balance_after"]) for row in rows] == [
        ("hand_refund_video_generation", 40, 100),
        ("video_4s_generation", -40, 60),
        ("credit_grant", 100, 100),
    ]
    assert job_id in rows[0]["description"]
    assert rows[1]["description"].endswith("y" * 50 + "...")
    assert "y" * 51 not in rows[1]["description"]
    with customer.client() as client, system.admin() as admin:
        job = client.get(f"/v1/generations/{job_id}").json()
        assert (job["status"], job["refunded_credits"]) == ("completed", 40)
        cost = admin.get(f"/v1/admin/generations/{job_id}/cost").json()
        assert client.get(f"/v1/admin/generations/{job_id}/cost").status_code == 403
    assert (cost["account_id"], cost["price_credits"]) == (customer.account_id, 40)
    assert (cost["provider"], cost["cost_micro_dollars"]) == ("google", 1_600_000)
    report = system.verify()
    assert report.returncode == 0, report.stdout


def test_a_balance_is_corrected_down_and_up_and_never_below_zero_I03(system):
    """I02, I03."""
    customer = system.new_account(50)
    account = customer.account_id
    taken = tape(["credits", "adjust", account, "-30", "--reason", "twice"], system.state_dir)
    assert taken.returncode == 0, taken.stderr
    assert "balance is 20" in taken.stdout
    refused = tape(["credits", "adjust", account, "-21", "--reason", "more"], system.state_dir)
    assert refused.returncode == 1
    assert "BALANCE_TOO_LOW" in refused.stderr
    added = tape(["credits", "adjust", account, "5", "--reason", "sorry"], system.state_dir)
    assert added.returncode == 0, added.stderr
    reads(lambda: available(customer), 25)
    rows = transactions(customer)
    assert [row["amount_credits"] for row in rows] == [5, -30, 50]
    assert all(
        later["balance_after"] == earlier["balance_after"] + later["amount_credits"]
        for later, earlier in pairwise(rows)
    )


def test_a_grant_asked_for_again_is_answered_at_once_as_the_first_was_I12(system):
    """I12, S2-14, S2-20."""
    account, key = f"test-{uuid4().hex[:12]}", str(uuid4())
    body = {"account_id": account, "amount_credits": 70, "reason": "welcome"}
    with system.admin() as admin:

        def grant(**change: object):
            headers = {"Idempotency-Key": key}
            return admin.post("/v1/admin/credits/grants", json={**body, **change}, headers=headers)

        first = grant()
        began_at = time.monotonic()
        second = grant()
        assert time.monotonic() - began_at < system.settings.decision_wait_seconds
        assert (second.status_code, second.content) == (first.status_code, first.content)
        assert second.headers["X-Idempotent-Replay"] == "true"
        other = grant(amount_credits=71)
        assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
