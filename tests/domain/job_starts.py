"""Where an example of a followed job begins."""

from domain.failures import (
    ProviderFault,
    download_failed,
    poll_trouble,
    storage_failed,
    system_trouble,
)
from domain.generation import decide, evolve
from tests.domain.examples import AT, MINUTE
from tests.domain.job_examples import (
    downloading,
    intended,
    submitted,
)
from tests.domain.ledger_answers import reserved
from tests.spec import Spec

given = Spec(None, decide, evolve).given
DEADLINE = AT + 15 * MINUTE
GONE = ProviderFault(kind="permanent", started="unknown", message="Unknown operation.", status=404)
FULL_STORE = storage_failed("quota", "quota: disk full", 1, lasting=True)
LATE_DOWNLOAD = download_failed("it took longer than its limit")
KEY_REFUSED = poll_trouble(
    ProviderFault(
        kind="transient", started="unknown", message="No user.", status=401, code="E", lacks="key"
    )
)
BROKEN_STEP = system_trouble("poll", KeyError("state"))


def processing():
    return given(reserved(), intended(), submitted())


def in_download():
    return processing().given(downloading())
