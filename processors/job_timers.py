"""When each job needs attention next: one heap per lane, rebuilt when the lane opens."""

import heapq
from collections.abc import Iterator

# Moments that were moved stay in the heap until they are due; more than these are swept out.
MOVED_MAX_SHARE = 1.25
MOVED_MAX = 1000


class JobTimers:
    """Holds one due moment per job.

    Units: seconds of the event loop's clock, which no jump of the time of day moves.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def set(self, job_id: str, due: float) -> None:
        """Set or move a job's moment."""
        self._due[job_id] = due
        heapq.heappush(self._heap, (due, job_id))
        if len(self._heap) > MOVED_MAX_SHARE * len(self._due) + MOVED_MAX:
            self._heap = [(due, job_id) for job_id, due in self._due.items()]
            heapq.heapify(self._heap)

    def forget(self, job_id: str) -> None:
        """Let a job need no attention any more."""
        self._due.pop(job_id, None)

    def next_due(self) -> float | None:
        """Give the earliest moment, or None when nobody waits."""
        self._drop_moved()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Iterator[str]:
        """Give the jobs whose moment has come, earliest first; each is forgotten as it is given."""
        while True:
            self._drop_moved()
            if not self._heap or self._heap[0][0] > now:
                return
            _, job_id = heapq.heappop(self._heap)
            del self._due[job_id]
            yield job_id

    def _drop_moved(self) -> None:
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
