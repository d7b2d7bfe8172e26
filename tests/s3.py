"""An S3 on this machine: `python -m tests.s3` serves moto over HTTP and prints its address."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.objects_s3 import S3MediaStore

START_SECONDS_MAX = 60.0


@contextmanager
def s3_server() -> Iterator[str]:
    """Run the server for a while; give its address.

    Raises: AssertionError with what it printed, if it does not start.
    """
    command = [sys.executable, "-m", "tests.s3"]
    # Each request is told on standard error: to nobody.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), f"no S3 server: {url or 'see its errors'}"
            yield url
        finally:
            server.kill()


def use_s3(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Point the AWS variables of this process to a server, and to nothing else."""
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIATHISISONLYATEST",
        "AWS_SECRET_ACCESS_KEY": "a-secret-of-this-test",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True)
class Bucket:
    """A bucket of one test, with a store in it and a client that looks behind the store."""

    name: str
    store: "S3MediaStore"
    client: Any

    @classmethod
    async def made(cls, prefix: str = "") -> "Bucket":
        from runtime.objects_s3 import S3MediaStore  # noqa: PLC0415  slow, and few tests need it

        name = f"test-{uuid4().hex}"
        store = S3MediaStore.at(f"{name}{prefix}", Settings())
        client = await store._connection.client()
        await client.create_bucket(Bucket=name)
        return cls(name, store, client)

    async def names(self) -> list[str]:
        """Name what lies in the bucket, parts that nobody completed among it."""
        objects = await self.client.list_objects_v2(Bucket=self.name)
        uploads = await self.client.list_multipart_uploads(Bucket=self.name)
        return [
            *(entry["Key"] for entry in objects.get("Contents", [])),
            *(f"parts of {entry['Key']}" for entry in uploads.get("Uploads", [])),
        ]


def _serve() -> None:
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415  the server's process alone
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import make_server  # noqa: PLC0415  the same

    moto = DomainDispatcherApplication(create_backend_app)
    one_at_a_time = Lock()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # S3 promises that a conditional write is one step; in moto 5.2 it is two.
        with one_at_a_time:
            return list(moto(environ, start_response))

    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201  its starter reads it
    server.serve_forever()


if __name__ == "__main__":
    _serve()
