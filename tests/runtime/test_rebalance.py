"""What a rebalance throws away is read again; a killed worker is back without waiting for one."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

from aiokafka import AIOKafkaProducer

from bench.stage import environment_of
from runtime.settings import Settings
from schemas.topics import REQUESTS

BACK = "back to what is committed"


async def test_records_thrown_away_before_the_first_commit_are_read_again(settings: Settings):
    """I01, decision 0005: torture found jobs passed over in partitions without a commit."""
    topic = settings.namespace + REQUESTS.name
    command = [sys.executable, "-m", "tests.runtime.reading_worker", REQUESTS.name, "3"]
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        for _ in range(3):
            await producer.send_and_wait(topic, b"anything")
        worker = await asyncio.create_subprocess_exec(
            *command, env=environment_of(settings), stdout=PIPE
        )
        try:
            before = await _said_until(worker, BACK)
            await producer.send_and_wait(topic, b"anything")
            after = await _said_until(worker, "record 3")
        finally:
            worker.kill()
            await worker.wait()
    assert before == ["record 0 after -1", "record 1 after 0", "record 2 after 1", BACK]
    assert after == [*before[:3], "record 3 after 2"]


async def test_a_killed_worker_is_back_by_its_name_long_before_its_session_is_over(
    settings: Settings,
):
    """Row 1, decision 0037: without its name its partitions would wait for 30 s."""
    command = [sys.executable, "-m", "tests.runtime.reading_worker", REQUESTS.name, "0"]
    environment = {
        **environment_of(settings),
        "TAPEWORKS_INSTANCE_ID": "reading-1",
        "TAPEWORKS_SESSION_TIMEOUT_SECONDS": "30",
    }
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(settings.namespace + REQUESTS.name, b"anything")
    for _ in range(2):
        worker = await asyncio.create_subprocess_exec(*command, env=environment, stdout=PIPE)
        try:
            async with asyncio.timeout(20):
                assert await _said_until(worker, "record 0") == ["record 0 after -1"]
        finally:
            worker.kill()
            await worker.wait()


async def _said_until(worker: Process, last: str) -> list[str]:
    """Read its lines up to the one that begins so; Faust prints others among them."""
    assert worker.stdout is not None
    said: list[str] = []
    async for line in worker.stdout:
        if line.startswith((b"record ", BACK.encode())):
            said.append(line.decode().strip())
        if line.startswith(last.encode()):
            break
    return said
