"""Holds every commit against the invariants, with books of its own. No rule of ours is asked.

Ids are those of the invariants (T1 to T7: section 1 of the torture list; I01 to I44).
"""

from tests.simulation.oracle_by_hand import ByHandChecks
from tests.simulation.oracle_jobs import JobChecks


class Oracle(ByHandChecks, JobChecks):
    """Sees every committed event once, in the order of the commits."""
