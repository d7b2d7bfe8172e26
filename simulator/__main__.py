"""Runs the simulator: `python -m simulator --host 127.0.0.1 --port 8900`."""

import argparse
import signal
import sys
from pathlib import Path

from simulator.app import GENERATION_SECONDS, create_app
from simulator.server import build_server, listen


def main() -> None:
    """Serve until SIGTERM or SIGINT, then stop with exit code 0."""
    arguments = _arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has stopped, which would be the exit code.
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        listener = listen(arguments.host, arguments.port)
    except OSError as error:
        sys.exit(
            f"simulator: cannot listen on {arguments.host}:{arguments.port} ({error.strerror}); "
            "choose another --port or stop what uses it"
        )
    app = create_app(
        generation_seconds=arguments.generation_seconds, seed=arguments.seed, state=arguments.state
    )
    with listener:
        host, port = listener.getsockname()[:2]
        sys.stdout.write(f"simulator: http://{host}:{port}\n")
        sys.stdout.flush()
        build_server(app).run(sockets=[listener])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulator", description="AI providers that do not bill.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0: any free one; it is printed")
    parser.add_argument(
        "--generation-seconds",
        type=_seconds,
        default=GENERATION_SECONDS,
        help="how long a generation takes until /_control/clock says otherwise",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the dice behind faults with a rate")
    parser.add_argument("--state", type=Path, help="folder that outlives the process; else memory")
    return parser.parse_args()


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more")
    return seconds


if __name__ == "__main__":
    main()
