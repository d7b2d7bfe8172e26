"""How each family of paths words what is the same everywhere: errors, statuses, names of fields.

Data and pure functions; the rules behind the words are the same for all.
Source: S0-84, S0-35, S2-35, C07, C08; the names of the seeds that the requirements were drawn from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spelling:
    """One family's words.

    `problem` turns the members of a problem (RFC 9457) into the family's error body. `statuses`
    and `fields` hold only what has another name than in `/v1`.
    """

    content_type: str
    problem: Callable[[Facts], dict[str, Any]]
    statuses: Mapping[str, str]
    fields: Mapping[str, str]
    active_id: str = "id"

    def status(self, status: str) -> str:
        """Give a job's status in the family's words (C07)."""
        return self.statuses.get(status, status)

    def job_error(self, error: Facts) -> dict[str, Any]:
        """Give a job's own error (I22) in the form of an error answer."""
        return self.problem({**error, "detail": error["message"]})

    def field(self, name: str) -> str:
        """Give a request field's name."""
        return self.fields.get(name, name)


def _as_it_is(problem: Facts) -> dict[str, Any]:
    return dict(problem)


def _task_problem(problem: Facts) -> dict[str, Any]:
    """Give S0-84's shape; what is wrong with each field stands among the details."""
    details = _details(problem, TASKS)
    if "active_jobs" in details:
        # S0-35.
        details["active_tasks"] = [_active(job, TASKS) for job in details.pop("active_jobs")]
    if "errors" in problem:
        details["errors"] = problem["errors"]
    return {
        "error": problem["code"],
        "message": problem["detail"],
        **({"details": details} if details else {}),
        "retryable": problem["retryable"],
        "suggestedAction": problem["suggested_action"],
        **({"requestId": _request_id(problem)} if "instance" in problem else {}),
    }


def _video_job_problem(problem: Facts) -> dict[str, Any]:
    details = _details(problem, VIDEO_JOBS)
    if "active_jobs" in details:
        details["active_jobs"] = [_active(job, VIDEO_JOBS) for job in details["active_jobs"]]
    return {
        "error": problem["code"],
        "message": problem["detail"],
        "details": details,
        **({"errors": problem["errors"]} if "errors" in problem else {}),
        "retryable": problem["retryable"],
        "suggested_action": problem["suggested_action"],
        **({"request_id": _request_id(problem)} if "instance" in problem else {}),
    }


def _details(problem: Facts, spelling: Spelling) -> dict[str, Any]:
    details = dict(problem["details"])
    if "field" in details:
        details["field"] = spelling.field(details["field"])
    if "status" in details:
        details["status"] = spelling.status(details["status"])
    return details


def _active(job: Facts, spelling: Spelling) -> dict[str, Any]:
    """Name an active job's members; one that the read model does not show yet has only its id."""
    names = {"id": spelling.active_id, "duration_seconds": "duration"}
    named = {names.get(name, name): value for name, value in job.items()}
    return {**named, "status": spelling.status(job["status"])} if "status" in job else named


def _request_id(problem: Facts) -> str:
    return str(problem["instance"]).removeprefix("urn:uuid:")


GENERATIONS = Spelling("application/problem+json", _as_it_is, statuses={}, fields={})
# A task exists once it is asked for; until the provider has it, it counts as in work.
TASKS = Spelling(
    "application/json",
    _task_problem,
    statuses={
        "requested": "processing",
        "pending": "processing",
        "rejected": "failed",
        "cancelled": "failed",
    },
    fields={
        "duration_seconds": "duration",
        "aspect_ratio": "aspectRatio",
        "negative_prompt": "negativePrompt",
    },
    active_id="task_id",
)
VIDEO_JOBS = Spelling(
    "application/json",
    _video_job_problem,
    statuses={
        "requested": "pending",
        "downloading": "processing",
        "rejected": "failed",
        "cancelled": "failed",
    },
    fields={
        "duration_seconds": "settings.duration",
        "resolution": "settings.resolution",
        "aspect_ratio": "settings.aspect_ratio",
        "model": "model_id",
    },
    active_id="job_id",
)


def spelling_of(path: str) -> Spelling:
    """Give the spelling of the family that a path belongs to."""
    if path.startswith("/api/"):
        return TASKS
    return VIDEO_JOBS if path.startswith("/functions/v1/") else GENERATIONS
