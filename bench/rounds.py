"""Runs the sides of a figure in turn: A B A B, so that what else the machine does meets all."""

from collections.abc import Awaitable, Callable, Mapping

from bench.figures import Side, number

# Runs one side once and gives its value.
Run = Callable[[], Awaitable[float]]


async def interleave(sides: Mapping[str, tuple[Side, Run]], rounds: int) -> None:
    """Run every side once per round, in the order given, and keep each value with its side."""
    for number_of_round in range(1, rounds + 1):
        for side, run in sides.values():
            value = await run()
            side.values.append(value)
            print(f"  round {number_of_round}: {side.name}: {number(value)}", flush=True)
