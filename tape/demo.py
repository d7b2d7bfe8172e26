"""`tape demo`: everything up, one video made, its events and its file shown, everything down."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.text import Text

from devstack.errors import AlreadyRunningError, DevstackError
from devstack.state import StateFolder
from devstack.supervisor import Supervisor
from devstack.system import SystemOptions, TapeSystem
from runtime.settings import Settings
from runtime.topics import TopicError
from runtime.video import VideoFacts, inspect
from schemas.ledger import CreditsRefunded, CreditsSettled
from tape.bootstrap import ensure_demo_account
from tape.context import Target, find_target, state_dir
from tape.lines import event_line
from tape.tail import open_tail

console = Console(highlight=False)
PROMPT = "A lighthouse at dusk, waves below, a slow camera climbing its stairs of light"
# 60 s: the simulator takes 5; a job that takes ten times as long is stuck.
JOB_TIMEOUT_SECONDS = 60.0
# 10 s in steps of 50 ms.
READ_ATTEMPTS_MAX = 200


def demo(
    prompt: Annotated[str, typer.Option(help="What to show.")] = PROMPT,
    duration: Annotated[int, typer.Option(help="4, 6 or 8 seconds.")] = 4,
) -> None:
    """Start everything, make one video, print its events and its file, stop."""
    try:
        asyncio.run(_demo(prompt, duration))
    except (DevstackError, TopicError, httpx.HTTPError) as error:
        console.print(Text(f"{type(error).__name__}: {error}", style="red"))
        raise typer.Exit(code=1) from error


async def _demo(prompt: str, duration: int) -> None:
    state = StateFolder(state_dir())
    try:
        async with Supervisor(state, report=console.print, signals=True) as supervisor:
            system = TapeSystem(state, SystemOptions())
            with console.status("starting Kafka, Postgres, the simulator and our processes"):
                await system.start(supervisor)
                await asyncio.to_thread(ensure_demo_account, system)
            for row in await supervisor.status():
                console.print(f"[green]up[/]  {row.name:<12} {row.address}")
            await make_one_video(Target(system.variables), prompt, duration)
    except AlreadyRunningError:
        console.print("a system is running here already: using it")
        await make_one_video(find_target(), prompt, duration)


async def make_one_video(target: Target, prompt: str, duration_seconds: int) -> None:
    """Post one request, follow its events to the end, fetch its file and look at it.

    Raises: typer.Exit if the job fails or the file is not as asked.
    """
    target.apply()
    body = {"prompt": prompt, "duration_seconds": duration_seconds}
    headers = {"Authorization": f"Bearer {target['TAPE_API_KEY']}"}
    async with (
        httpx.AsyncClient(base_url=target["TAPE_URL"], headers=headers, timeout=10) as client,
        open_tail(Settings()) as envelopes,
    ):
        answer = await client.post("/v1/generations", json=body)
        console.print(f"\nPOST /v1/generations -> {answer.status_code} {answer.text}\n")
        if answer.status_code != httpx.codes.ACCEPTED:
            raise typer.Exit(code=1)
        job_id = answer.json()["id"]
        async with asyncio.timeout(JOB_TIMEOUT_SECONDS):
            async for envelope in envelopes:
                if getattr(envelope.event, "job_id", None) != job_id:
                    continue
                console.print(event_line(envelope), soft_wrap=True)
                if isinstance(envelope.event, CreditsRefunded):
                    raise typer.Exit(code=1)
                if isinstance(envelope.event, CreditsSettled):
                    break
        await _until_readable(client, job_id)
        path = await _fetch(client, job_id)
    facts = await inspect(path)
    console.print(f"\n{_verdict(facts, duration_seconds)}\n[bold]{path}[/]")


async def _until_readable(client: httpx.AsyncClient, job_id: str) -> None:
    """Wait for the read model, which follows the tape by some milliseconds."""
    for _ in range(READ_ATTEMPTS_MAX):
        if (await client.get(f"/v1/generations/{job_id}")).json()["status"] == "completed":
            return
        await asyncio.sleep(0.05)


async def _fetch(client: httpx.AsyncClient, job_id: str) -> Path:
    link: dict[str, Any] = (await client.get(f"/v1/generations/{job_id}/video")).json()
    path = state_dir() / "demo" / f"{job_id}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    async with httpx.AsyncClient(timeout=30) as stranger:
        video = await stranger.get(link["url"])
        video.raise_for_status()
    path.write_bytes(video.content)
    return path


def _verdict(facts: VideoFacts, duration_seconds: int) -> str:
    size = f"{facts.width_pixels}x{facts.height_pixels}"
    if (round(facts.duration_ms / 1000), size) != (duration_seconds, "1280x720"):
        console.print(f"not as asked: {facts}", style="red")
        raise typer.Exit(code=1)
    return f"an MP4 of {facts.duration_ms / 1000:.1f} s, {size}, {facts.frames_per_second:g} fps"
