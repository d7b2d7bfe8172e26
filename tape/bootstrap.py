"""Gives a fresh local system what a newcomer needs: an account with credits, and its key."""

import json
from typing import Any

import httpx

from devstack.system import TapeSystem

DEMO_ACCOUNT = "demo"
# 1000 credits: twelve videos of 8 s.
DEMO_CREDITS = 1000
TIMEOUT_SECONDS = 10.0


def ensure_demo_account(system: TapeSystem) -> None:
    """Make the account `demo` with its key and credits, once per state folder."""
    path = system.state.path / "demo-key.json"
    url, admin = system.variables["TAPE_URL"], system.variables["TAPE_ADMIN_KEY"]
    with httpx.Client(
        base_url=url, timeout=TIMEOUT_SECONDS, headers={"Authorization": f"Bearer {admin}"}
    ) as client:
        key = json.loads(path.read_text())["api_key"] if path.exists() else None
        if key is None or not _works(client, key):
            body = {"account_id": DEMO_ACCOUNT, "role": "client"}
            key = _post(client, "/v1/admin/keys", body)["api_key"]
            path.touch(mode=0o600)
            path.write_text(json.dumps({"api_key": key}))
        system.variables["TAPE_API_KEY"] = key
        credits_now = client.get("/v1/credits", headers={"Authorization": f"Bearer {key}"}).json()
        if credits_now["granted_credits"] == 0:
            grant = {
                "account_id": DEMO_ACCOUNT,
                "amount_credits": DEMO_CREDITS,
                "reason": "a first look",
            }
            # The key makes a second start that came before the projection harmless.
            _post(client, "/v1/admin/credits/grants", grant, {"Idempotency-Key": "demo"})


def _works(client: httpx.Client, key: str) -> bool:
    answer = client.get("/v1/credits", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code == httpx.codes.OK


def _post(
    client: httpx.Client, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> Any:  # noqa: ANN401  JSON of any shape
    answer = client.post(path, json=body, headers=headers)
    answer.raise_for_status()
    return answer.json()
