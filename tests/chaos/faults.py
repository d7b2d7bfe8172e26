"""Every fault that there is, in the order of a run."""

from tests.chaos.database_faults import DATABASE_FAULTS
from tests.chaos.fault import Fault
from tests.chaos.log_faults import LOG_FAULTS
from tests.chaos.poison_faults import POISON_FAULTS
from tests.chaos.process_faults import PROCESS_FAULTS
from tests.chaos.provider_faults import PROVIDER_FAULTS

FAULTS: tuple[Fault, ...] = (
    *PROCESS_FAULTS,
    *LOG_FAULTS,
    *POISON_FAULTS,
    *DATABASE_FAULTS,
    *PROVIDER_FAULTS,
)
