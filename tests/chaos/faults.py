"""Every fault that there is, in the order of a run."""

from tests.chaos.database_faults import DATABASE_FAULTS
from tests.chaos.disk_faults import DISK_FAULTS
from tests.chaos.fault import Fault
from tests.chaos.log_faults import LOG_FAULTS
from tests.chaos.poison_faults import POISON_FAULTS
from tests.chaos.process_faults import PROCESS_FAULTS
from tests.chaos.provider_faults import PROVIDER_FAULTS

FAULTS: tuple[Fault, ...] = (
    *PROCESS_FAULTS,
    *DISK_FAULTS,
    *LOG_FAULTS,
    *POISON_FAULTS,
    *DATABASE_FAULTS,
    *PROVIDER_FAULTS,
)

# A small run takes some faults together, each as often as it would be taken alone.
TOGETHER: tuple[tuple[str, ...], ...] = (
    ("worker_killed", "provider_faults"),
    ("worker_frozen", "requests_twice"),
    ("ingress_killed", "postgres_read_only"),
    ("rebalance_storm", "poison_records"),
    ("postgres_full_of_connections", "broker_frozen"),
    ("requests_ten_times", "provider_dead"),
    ("broker_disk_full", "postgres_disk_full"),
    ("offsets_reset",),
)

# What a small run leaves to a small test of its own.
ELSEWHERE = {
    "broker_killed": "tests/system/test_outages.py",
    "postgres_killed": "tests/system/test_outages.py",
    "everything_killed": "tests/system/test_outages.py",
    "provider_frozen": "tests/processors/test_overload.py",
}
