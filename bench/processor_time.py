"""Processor time of a process: it hardly depends on who else is at work on the machine."""

import psutil


def cpu_seconds(pid: int) -> float:
    """Give what a process has taken so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
