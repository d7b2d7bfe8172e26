"""Asks a process on this machine whether it serves."""

import ssl

import httpx

from devstack.errors import DevstackError

# Names the process that answered: two may share a port for a moment.
PROCESS_HEADER = "X-Process-Id"
# For clients that speak no TLS: httpx otherwise reads all certificates for each of them, 28 ms of a
# processor that is wanted by what is just starting.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def expect_answer(url: str, pid: int | None, within_seconds: float) -> None:
    """Ask a URL for a success, of this process and no other.

    Raises: httpx's HTTPError; DevstackError where another process answers.
    """
    # A proxy of the environment must not stand between us and our own loopback.
    async with httpx.AsyncClient(verify=NO_TLS, trust_env=False, timeout=within_seconds) as client:
        answer = (await client.get(url)).raise_for_status()
    if answer.headers.get(PROCESS_HEADER, str(pid)) != str(pid):
        raise DevstackError("the process before it still answers")
