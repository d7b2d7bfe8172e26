"""The door with TLS: the same simulator behind it, and a certificate that clients can trust."""

import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from simulator import certificate
from simulator.certificate import ensure_key_pair
from simulator.server import TlsDoor, listen
from tests.simulator.conftest import DEADLINE_SECONDS, FalWire, Wire, running


@pytest.fixture
def doors(tmp_path) -> Iterator[tuple[Wire, FalWire]]:
    """Give a client of the plain door, and one of the other that trusts the certificate."""
    pair = ensure_key_pair(tmp_path, "127.0.0.1")
    with listen("127.0.0.1", 0) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with (
            running(door=TlsDoor(listener, pair.context())) as plain,
            closing(FalWire(url, trust=trusting(pair.certificate))) as behind_tls,
        ):
            yield plain, behind_tls


def trusting(authority: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    # As strict as Python 3.13 is by default.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def test_both_doors_lead_to_the_same_simulator(doors):
    plain, behind_tls = doors
    request = behind_tls.queued()
    assert request["status_url"].startswith(f"{behind_tls.url}/fal-ai/")
    video = behind_tls.output(request)
    assert (video.status_code, video.url.scheme) == (200, "https")
    assert plain.row("operation") == (request["request_id"],)


def test_a_connection_is_cut_behind_tls_too(doors):
    plain, behind_tls = doors
    behind_tls.fault("drop_answer")
    with pytest.raises(httpx.TransportError):
        behind_tls.order()
    assert plain.row("status", "billed") == ("dropped", True)


def test_whoever_does_not_know_the_certificate_refuses_it(doors):
    _, behind_tls = doors
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(behind_tls.url)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_process_opens_both_doors_and_says_where(tmp_path, name):
    command = [sys.executable, "-m", "simulator", "--tls-port", "0"]
    folder = ["--tls-folder", str(tmp_path / "new")]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, *folder], stdout=pipe, text=True) as started:
        assert started.stdout
        plain, behind_tls, trust = (started.stdout.readline().split()[-1] for _ in range(3))
        try:
            assert httpx.get(f"{plain}/healthz").json() == {"status": "ok"}
            authority = Path(trust.removeprefix("SSL_CERT_FILE="))
            url = behind_tls.replace("127.0.0.1", name)
            assert httpx.get(f"{url}/healthz", verify=trusting(authority)).status_code == 200
        finally:
            started.terminate()
        assert started.wait(DEADLINE_SECONDS) == 0


def test_the_two_options_of_tls_belong_together():
    command = [sys.executable, "-m", "simulator", "--tls-port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "--tls-port, --tls-folder: give both, or neither" in ended.stderr


def test_a_good_certificate_is_kept_and_its_key_is_private(tmp_path):
    pair = ensure_key_pair(tmp_path, "simulator.test")
    made = pair.certificate.read_bytes()
    assert ensure_key_pair(tmp_path, "simulator.test") == pair
    assert ensure_key_pair(tmp_path, "127.0.0.1").certificate.read_bytes() == made
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600


def test_a_certificate_is_made_anew_for_a_host_that_it_does_not_name(tmp_path):
    made = ensure_key_pair(tmp_path, "127.0.0.1").certificate.read_bytes()
    assert ensure_key_pair(tmp_path, "simulator.test").certificate.read_bytes() != made


@pytest.mark.parametrize("spoiled", ["cert.pem", "key.pem"])
def test_a_broken_certificate_is_made_anew(tmp_path, spoiled):
    ensure_key_pair(tmp_path, "127.0.0.1")
    (tmp_path / spoiled).write_text("broken")
    ensure_key_pair(tmp_path, "127.0.0.1").context()


def test_a_certificate_that_is_about_to_end_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(certificate, "VALID_DAYS", certificate.REMAINING_DAYS_MIN)
    made = ensure_key_pair(tmp_path, "127.0.0.1").certificate.read_bytes()
    assert ensure_key_pair(tmp_path, "127.0.0.1").certificate.read_bytes() != made
