"""Runs the ledger: `python -m processors.ledger_main`."""

from processors.ledger import LedgerProgram
from runtime.event_log.lanes import Lanes
from runtime.exits import die
from runtime.settings import settings
from runtime.worker import create_app, run_worker


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    config = settings()
    program = LedgerProgram(config)
    lanes = Lanes(program, config, die)
    app = create_app(program.name, config, [topic.name for topic in program.inputs], lanes)
    run_worker(program.name, app, config)


if __name__ == "__main__":
    main()
