"""Runs the generation processor: `python -m processors.generation_main`."""

from datetime import timedelta

from domain.generation_state import Limits
from processors.generation import GenerationProgram
from processors.job_calls import Outside
from processors.job_runner import JobRunner
from providers.registry import open_providers
from runtime.event_log.lanes import Lanes
from runtime.exits import die
from runtime.objects import open_media_store
from runtime.settings import settings
from runtime.worker import create_app, run_worker


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    config = settings()
    limits = Limits(generation_timeout=timedelta(seconds=config.generation_timeout_seconds))
    outside = Outside.open(open_providers(config), open_media_store(config), config)
    program = GenerationProgram(limits, lambda lane: JobRunner(lane, outside, limits, die))
    lanes = Lanes(program, config, die)
    app = create_app(program.name, config, [topic.name for topic in program.inputs], lanes)
    run_worker(program.name, app, config)


if __name__ == "__main__":
    main()
