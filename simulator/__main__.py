"""Runs the simulator: `python -m simulator --host 127.0.0.1 --port 8900`."""

import argparse
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.app import GENERATION_SECONDS, create_app
from simulator.server import TlsDoor, build_server, listen

if TYPE_CHECKING:
    from simulator.certificate import KeyPair


def main() -> None:
    """Serve until SIGTERM or SIGINT, then stop with exit code 0."""
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has stopped, which would be the exit code.
        signal.signal(number, lambda *_: sys.exit(0))
    with ExitStack() as listeners:
        plain = listeners.enter_context(_listener(arguments.host, "--port", arguments.port))
        addresses = [_address("http", plain)]
        door = None
        if arguments.tls_port is not None:
            behind_tls = _listener(arguments.host, "--tls-port", arguments.tls_port)
            pair = _key_pair(arguments.tls_folder, arguments.host)
            door = TlsDoor(listeners.enter_context(behind_tls), pair.context())
            addresses += [
                _address("https", door.listener),
                f"trust it with SSL_CERT_FILE={pair.certificate.absolute()}",
            ]
        app = create_app(
            generation_seconds=arguments.generation_seconds,
            seed=arguments.seed,
            state=arguments.state,
            plain_videos=arguments.plain_videos,
        )
        sys.stdout.writelines(f"simulator: {address}\n" for address in addresses)
        sys.stdout.flush()
        build_server(app, door).run(sockets=[plain])


def _listener(host: str, option: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        sys.exit(
            f"simulator: cannot listen on {host}:{port} ({error.strerror}); "
            f"choose another {option} or stop what uses it"
        )


def _key_pair(folder: Path, host: str) -> "KeyPair":
    # Only who asks for TLS needs the library that makes certificates.
    from simulator.certificate import ensure_key_pair  # noqa: PLC0415  as said above

    return ensure_key_pair(folder, host)


def _address(scheme: str, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{host}:{port}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator", description="AI providers that do not bill.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0: any free one; it is printed")
    parser.add_argument("--tls-port", type=int, help="listen for TLS there too; 0: any free one")
    parser.add_argument("--tls-folder", type=Path, help="where cert.pem and key.pem are written")
    parser.add_argument(
        "--generation-seconds",
        type=_seconds,
        default=GENERATION_SECONDS,
        help="how long a generation takes until /_control/clock says otherwise",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the dice behind faults with a rate")
    parser.add_argument(
        "--plain-videos", action="store_true", help="videos without their prompt: for load"
    )
    parser.add_argument("--state", type=Path, help="folder that outlives the process; else memory")
    arguments = parser.parse_args()
    if (arguments.tls_port is None) != (arguments.tls_folder is None):
        parser.error("--tls-port, --tls-folder: give both, or neither")
    return arguments


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more")
    return seconds


if __name__ == "__main__":
    main()
