"""Everything that can go wrong with a job, and how each of it is brought about. Data, not code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from schemas.failure import FailureCategory, Phase
from tests.taxonomy.answers import Meaning

PROVIDERS = ("google", "vertex", "fal")
Store = Literal["quota", "permission", "conflict", "missing", "other"]
FOR_EVER = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Cause:
    """What is done to a job's surroundings.

    `fault`: of the simulator. `answer`: what the provider says instead, in a phase, `times` over.
    `breaks`: an adapter's call that raises what nobody foresaw, `times` over.
    """

    fault: Mapping[str, object] | None = None
    answer: Meaning | None = None
    breaks: Literal["submit", "poll", "fetch"] | None = None
    times: int = FOR_EVER
    store: Store | None = None
    key: str = "a-key"
    unreachable: bool = False
    worker_dies: bool = False

    @property
    def silent(self) -> bool:
        """Whether a call is never answered."""
        return self.answer == "silence" or (self.fault or {}).get("kind") == "hang"


@dataclass(frozen=True, slots=True, eq=False)
class Incident:
    """One row of the table: in which phase, in words, and its cause for each provider.

    `lasts`: until the deadline of the phase; how often a call is repeated then depends on time.
    """

    phase: Phase
    words: str
    cause: Cause
    lasts: bool = False
    impossible: Mapping[str, str] = field(default_factory=dict)


def _fault(kind: str, **fields: object) -> Cause:
    return Cause(fault={"kind": kind, "next_n": 9, **fields})


_CHECKED_AT_SUBMISSION = {
    "fal": "fal checks an order before it queues it, and a request in its queue has no such end"
}

INCIDENTS: tuple[Incident, ...] = (
    Incident("submit", "nothing goes wrong", Cause()),
    Incident("submit", "the order is refused", _fault("refuse_400")),
    Incident("submit", "the safety filter refuses the order", Cause(answer="unsafe_order")),
    Incident("submit", "429 once", _fault("error_429", next_n=1, seconds=0)),
    Incident("submit", "429 at every attempt", _fault("error_429", seconds=0)),
    Incident("submit", "503 once", Cause(answer="busy", times=1)),
    Incident("submit", "503 at every attempt", Cause(answer="busy")),
    Incident("submit", "no connection at every attempt", Cause(unreachable=True)),
    Incident("submit", "our key is refused", Cause(key="invalid")),
    Incident("submit", "we have no key", Cause(key="")),
    Incident("submit", "402 or 403: permission or billing", Cause(answer="forbidden")),
    Incident("submit", "404: no such model", Cause(answer="missing")),
    Incident("submit", "500", _fault("error_500")),
    Incident("submit", "500 after the work was begun", _fault("error_after_accept")),
    Incident("submit", "the work was begun, the answer was lost", _fault("drop_answer")),
    Incident("submit", "no answer in time", _fault("hang", seconds=20)),
    Incident("submit", "an answer that nobody can read", Cause(answer="unreadable")),
    Incident(
        "submit",
        "the worker dies before the answer",
        Cause(fault={"kind": "hang", "next_n": 1, "seconds": 20}, worker_dies=True),
    ),
    Incident("submit", "an unforeseen fault of ours", Cause(breaks="submit")),
    Incident("poll", "the safety filter withholds the video", _fault("safety_block")),
    Incident("poll", "the work ends in an error", Cause(answer="failed_work")),
    Incident(
        "poll",
        "the work ends: the request is invalid",
        Cause(answer="invalid_work"),
        impossible=_CHECKED_AT_SUBMISSION,
    ),
    Incident(
        "poll",
        "the work ends: our quota is used up",
        Cause(answer="quota_work"),
        impossible=_CHECKED_AT_SUBMISSION,
    ),
    Incident("poll", "404: the work is not known", Cause(answer="missing")),
    Incident("poll", "503 twice", Cause(answer="busy", times=2)),
    Incident("poll", "503 without end", Cause(answer="busy"), lasts=True),
    Incident("poll", "429 without end", Cause(answer="quota"), lasts=True),
    Incident("poll", "unreadable answers without end", Cause(answer="unreadable"), lasts=True),
    Incident("poll", "our key is refused twice", Cause(answer="key", times=2)),
    Incident("poll", "our key is refused without end", Cause(answer="key"), lasts=True),
    Incident("poll", "the work goes back from done to running", _fault("backwards")),
    Incident("poll", "the work never ends", _fault("never_finish"), lasts=True),
    Incident("poll", "an unforeseen fault of ours, twice", Cause(breaks="poll", times=2)),
    Incident("poll", "an unforeseen fault of ours without end", Cause(breaks="poll"), lasts=True),
    Incident("download", "503 twice", Cause(answer="busy", times=2)),
    Incident("download", "503 at every attempt", Cause(answer="busy")),
    Incident("download", "403 at every attempt", Cause(answer="forbidden")),
    Incident("download", "404 at every attempt", Cause(answer="missing")),
    Incident("download", "the link expired, and works again", _fault("expired_link", downloads=1)),
    Incident("download", "no answer in time", Cause(answer="silence")),
    Incident("download", "a file of noise, once", _fault("corrupt_download", downloads=1)),
    Incident("download", "a file of noise", _fault("corrupt_download")),
    Incident("download", "a file of 999 bytes", _fault("tiny_download")),
    Incident("download", "a web page instead of the file", _fault("html_download")),
    Incident("download", "an unforeseen fault of ours, twice", Cause(breaks="fetch", times=2)),
    Incident(
        "download", "an unforeseen fault of ours without end", Cause(breaks="fetch"), lasts=True
    ),
    Incident("store", "our store is full", Cause(store="quota")),
    Incident("store", "our store denies the write", Cause(store="permission")),
    Incident("store", "another file stands in its place", Cause(store="conflict")),
    Incident("store", "our store is away twice", Cause(store="other", times=2)),
    Incident("store", "our store is away at every attempt", Cause(store="other")),
)

_ORDERED = "the work was accepted, so there is nothing left to submit"
_OURS = "no provider takes part"
_NO_FILE = "there is no file yet"
# Why a category cannot come up in a phase, for whichever provider.
NEVER_IN: Mapping[tuple[FailureCategory, Phase], str] = {
    ("provider_refusal", "download"): "what was refused has no file",
    ("provider_refusal", "store"): _OURS,
    ("provider_error", "submit"): "an order that is not accepted is no work that could fail",
    ("provider_error", "download"): "the work is done; what goes wrong is the fetch",
    ("provider_error", "store"): _OURS,
    ("provider_unavailable", "poll"): "a poll without an answer is repeated until the deadline",
    ("provider_unavailable", "download"): "a fetch without an answer is a `download_error`",
    ("provider_unavailable", "store"): _OURS,
    ("provider_quota", "download"): "a fetch that is refused is a `download_error`",
    ("provider_quota", "store"): _OURS,
    ("provider_setup", "download"): "a fetch that is refused is a `download_error`",
    ("provider_setup", "store"): _OURS,
    ("submission_unknown", "poll"): _ORDERED,
    ("submission_unknown", "download"): _ORDERED,
    ("submission_unknown", "store"): _ORDERED,
    ("generation_timeout", "submit"): "the attempts and their waits are over long before",
    (
        "generation_timeout",
        "download",
    ): "the generation is over; a late fetch is a `download_error`",
    ("generation_timeout", "store"): "the generation is over",
    ("download_error", "submit"): _NO_FILE,
    ("download_error", "poll"): _NO_FILE,
    ("download_error", "store"): "the file was fetched",
    ("storage_error", "submit"): _NO_FILE,
    ("storage_error", "poll"): _NO_FILE,
    ("storage_error", "download"): "named after the phase `store`",
    ("storage_unavailable", "submit"): _NO_FILE,
    ("storage_unavailable", "poll"): _NO_FILE,
    ("storage_unavailable", "download"): "named after the phase `store`",
    ("system_error", "submit"): "after our order may have left, it is a `submission_unknown`",
    ("system_error", "store"): "a fault of the download: the store is its last step",
}
