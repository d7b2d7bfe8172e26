"""The command line as a person meets it."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from tests.running import clean_environment, tape
from tests.system.jobs import available, post, reads, until_ended

ROOT = Path(__file__).parents[2]


def test_a_key_is_printed_alone_when_quiet_and_works(system):
    made = tape(["keys", "create", "carla", "--quiet"], system.state_dir)
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert re.fullmatch(r"tw_\S+", key)
    with system.client(key) as client:
        assert client.get("/v1/credits").json()["account_id"] == "carla"


def test_only_the_hash_of_a_key_is_stored_I28(system):
    customer = system.new_account()

    async def dump() -> str:
        connection = await asyncpg.connect(system.variables["DATABASE_URL"])
        try:
            return str(await connection.fetch("SELECT * FROM api_keys"))
        finally:
            await connection.close()

    assert customer.api_key not in asyncio.run(dump())
    for log in (system.state_dir / "logs").glob("*.log"):
        text = log.read_text(errors="replace")
        assert customer.api_key not in text, log
        assert system.variables["GOOGLE_AI_API_KEY"] not in text, log


def test_credits_are_granted_and_shown(system):
    granted = tape(["credits", "grant", "carla", "25", "--reason", "a test"], system.state_dir)
    assert granted.returncode == 0, granted.stderr
    assert "carla was given 25 credits" in granted.stdout
    shown = tape(["credits", "show"], system.state_dir)
    assert shown.returncode == 0
    assert "credits of demo" in shown.stdout


def test_a_refused_call_says_what_is_wrong_and_ends_with_1(system):
    refused = tape(["credits", "grant", "no such account!", "5", "--reason", "x"], system.state_dir)
    assert refused.returncode == 1
    assert "account_id" in refused.stderr


def test_the_tape_can_be_watched_from_its_start(system):
    customer = system.new_account(40)
    with customer.client() as client:
        job_id = until_ended(client, post(client).json()["id"])["id"]
    watching = subprocess.Popen(
        [sys.executable, "-m", "tape", "watch", "--from-start", "--job", job_id],
        env=clean_environment(system.state_dir, {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        text=True,
    )
    seen: list[str] = []
    assert watching.stdout is not None
    try:
        for line in watching.stdout:
            seen.append(line)
            if {"CreditsSettled", "GenerationRequested"} <= set(" ".join(seen).split()):
                break
    finally:
        watching.send_signal(signal.SIGINT)
        watching.wait(10)
        watching.stdout.close()
    told = [name for line in seen for name in re.findall(r"\b[A-Z][a-z]+[A-Z]\w+", line)[:1]]
    # Topics are read side by side: between them only the cause of an event says what came first.
    assert {"GenerationRequested", "CreditsReserved", "CreditsSettled"} <= set(told)


def test_verify_names_the_row_that_is_wrong_and_ends_with_1(system):
    customer = system.new_account(40)

    async def change(amount: int) -> None:
        connection = await asyncpg.connect(system.variables["DATABASE_URL"])
        try:
            await connection.execute(
                "UPDATE accounts SET available_credits = available_credits + $2 "
                "WHERE account_id = $1",
                customer.account_id,
                amount,
            )
        finally:
            await connection.close()

    reads(lambda: available(customer), 40)
    asyncio.run(change(7))
    try:
        report = system.verify()
    finally:
        asyncio.run(change(-7))
    assert report.returncode == 1
    assert customer.account_id in report.stdout.replace("\n", "")
    assert system.verify().returncode == 0


@pytest.mark.parametrize("workers", ["ledger", "ledger=0", "kafka=2", "ledger=x"])
def test_workers_are_counted_by_kind(tmp_path, workers):
    refused = tape(["up", "--workers", workers], tmp_path)
    assert refused.returncode == 2
    assert "KIND=COUNT" in refused.stderr


def test_without_a_system_a_command_says_how_to_start_one(tmp_path):
    lost = tape(["env"], tmp_path)
    assert lost.returncode == 2
    assert "tape up" in lost.stderr


def shell_blocks(page: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.timeout(400)
def test_the_readmes_commands_do_what_it_says(tmp_path):
    start, use = shell_blocks("README.md")
    assert start == "make demo\nmake test\n"
    environment = clean_environment(tmp_path / "state", {"COLUMNS": "200"})
    demo = subprocess.run(
        ["make", "demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    for name in ("GenerationRequested", "SubmissionIntended", "CreditsSettled"):
        assert name in demo.stdout
    (video,) = (Path(word) for word in demo.stdout.split() if word.endswith(".mp4"))
    assert video.stat().st_size > 1000
    used = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", use],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert used.returncode == 0, used.stdout + used.stderr
    assert '"status":"pending"' in used.stdout
    assert "nothing wrong" in used.stdout
    assert "stopped:" in used.stdout
    assert not _leftovers(tmp_path)


def _leftovers(folder: Path) -> list[str]:
    """Find processes whose command line names the folder: `down` must have ended them all."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command and int(process.name) != os.getpid():
            found.append(command)
    return found


def test_a_log_is_followed_until_the_first_thing_wrong_and_says_what_to_do(system):
    """torture.md 1: the invariants are checked while a system works."""
    customer = system.new_account(40)

    async def change(amount: int) -> None:
        connection = await asyncpg.connect(system.variables["DATABASE_URL"])
        try:
            await connection.execute(
                "UPDATE accounts SET available_credits = available_credits + $2 "
                "WHERE account_id = $1",
                customer.account_id,
                amount,
            )
        finally:
            await connection.close()

    reads(lambda: available(customer), 40)
    asyncio.run(change(7))
    try:
        report = system.verify("--follow", "--fail-fast")
    finally:
        asyncio.run(change(-7))
    assert report.returncode == 1, report.stdout + report.stderr
    assert f"accounts {customer.account_id}: available_credits is 47" in report.stdout
    assert "what to do: trust the log, not the row" in report.stdout
    assert re.search(r"1 wrong: [\d,]+ events", report.stdout)


def test_jobs_that_run_while_the_log_is_followed_keep_every_invariant(system):
    """torture.md 1: nothing that is only not there yet is taken for wrong; Ctrl-C ends with 0."""
    customers = [system.new_account(200) for _ in range(4)]
    with subprocess.Popen(
        [sys.executable, "-m", "tape", "verify", "--follow"],
        env=clean_environment(system.state_dir, {"COLUMNS": "250", "PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as following:
        assert following.stdout is not None
        lines = []
        try:
            for line in following.stdout:
                lines.append(line)
                if "holds: " in line:
                    break
            with ExitStack() as stack:
                clients = [stack.enter_context(customer.client()) for customer in customers]
                for _ in range(2):
                    posted = [(c, post(c).json()["id"]) for c in clients for _ in range(2)]
                    for client, job_id in posted:
                        until_ended(client, job_id)
        finally:
            following.send_signal(signal.SIGINT)
            lines.append(following.stdout.read())
        assert following.wait(timeout=30) == 0, lines
    assert not [line for line in lines if "wrong" in line]
    assert "stopped" in lines[-1]


@pytest.mark.parametrize("options", [["--fail-fast"], ["--at-rest", "--follow"]])
def test_options_of_verify_that_do_not_go_together_are_refused(tmp_path, options):
    refused = tape(["verify", *options], tmp_path)
    assert refused.returncode == 2
    assert "--follow" in refused.stderr
