"""Runs the projections: `python -m projections`."""

from projections.app import NAME, projections_app
from runtime.settings import settings
from runtime.worker import run_worker


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    config = settings()
    run_worker(NAME, projections_app(config), config)


if __name__ == "__main__":
    main()
