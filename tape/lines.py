"""One line per event, for people."""

from rich.text import Text

from schemas.base import Event
from schemas.envelope import Envelope
from schemas.generation import (
    AlertRaised,
    DownloadStarted,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationPolled,
    GenerationSubmitted,
    SubmissionIntended,
    SubmissionRefused,
)
from schemas.ledger import (
    CancellationDeclined,
    CreditChangeDeclined,
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    CreditsSettled,
    HandRefundDeclined,
    ReservationDeclined,
)
from schemas.requests import (
    CreditAdjustmentRequested,
    CreditGrantRequested,
    GenerationRequested,
    HandRefundRequested,
)

_COLOUR_BY_WORD = {
    "Failed": "red",
    "Raised": "red",
    "Declined": "red",
    "Refused": "red",
    "Refunded": "yellow",
    "ByHand": "yellow",
    "Cancelled": "yellow",
    "Completed": "green",
    "Settled": "green",
    "Granted": "green",
    "Reserved": "cyan",
}


def event_line(envelope: Envelope) -> Text:
    """Write one event as a line: time, type, account, job, what it says."""
    event = envelope.event
    name = envelope.event_type
    colour = next((c for word, c in _COLOUR_BY_WORD.items() if name.endswith(word)), "white")
    job_id = getattr(event, "job_id", "")
    return Text.assemble(
        (f"{event.occurred_at:%H:%M:%S}.{event.occurred_at.microsecond // 1000:03d}  ", "dim"),
        (f"{name:<22} ", colour),
        (f"{event.account_id:<12} ", "magenta"),
        (f"{job_id[:8]:<9}", "blue"),
        describe(event),
    )


def describe(event: Event) -> str:
    """Say what an event says beyond its name."""
    match event:
        case GenerationRequested(settings=s, private=private):
            size = f"{s.duration_seconds} s {s.resolution} {s.aspect_ratio}"
            return f"{s.model} {size}: {_quote(private.prompt)}"
        case CreditGrantRequested() | CreditAdjustmentRequested():
            return f"{event.amount_credits:+d} credits by {event.requested_by}: {event.reason}"
        case HandRefundRequested():
            return f"by {event.requested_by}: {event.reason}"
        case CreditsRefundedByHand():
            amount, balance = event.amount_credits, event.balance_after
            return f"+{amount} credits by {event.refunded_by}, balance {balance}: {event.reason}"
        case CreditsGranted() | CreditsAdjusted():
            return f"{event.amount_credits:+d} credits, balance {event.balance_after}"
        case CreditsReserved(price_credits=price, balance_after=balance):
            return f"-{price} credits, balance {balance}"
        case (
            ReservationDeclined(code=code)
            | CancellationDeclined(code=code)
            | CreditChangeDeclined(code=code)
            | HandRefundDeclined(code=code)
        ):
            return code
        case CreditsSettled(price_credits=price):
            return f"{price} credits kept, {event.outcome}"
        case CreditsRefunded(amount_credits=amount, balance_after=balance):
            return f"+{amount} credits, balance {balance}"
        case _:
            return _describe_generation(event)


def _describe_generation(event: Event) -> str:
    match event:
        case SubmissionIntended(attempt=attempt, provider=provider):
            return f"attempt {attempt} at {provider}"
        case SubmissionRefused(attempt=attempt, retry_at=retry_at):
            return f"attempt {attempt} was not taken, again at {retry_at:%H:%M:%S}"
        case GenerationSubmitted(operation_id=operation_id):
            return operation_id
        case GenerationPolled(provider_state=state, progress_percent=progress):
            place = "" if event.queue_position is None else f", {event.queue_position} before it"
            return state + place if progress is None else f"{state}, {progress} %"
        case DownloadStarted(provider=provider):
            return f"from {provider}"
        case GenerationCompleted(media=media):
            return (
                f"{media.size_bytes} bytes, {media.duration_ms / 1000:.1f} s, "
                f"{media.width_pixels}x{media.height_pixels}, {media.frames_per_second:g} fps"
            )
        case AlertRaised(category=category, phase=phase, provider=provider):
            return f"{category} at {phase}, {provider}: {event.message[:80]}"
        case GenerationFailed(failure=failure):
            return f"{failure.code}: {failure.message}"
        case GenerationCancelled(submitted=submitted):
            return "after its submission" if submitted else "before its submission"
        case _:
            return ""


def _quote(prompt: str) -> str:
    text = " ".join(prompt.split())
    return f"\u201c{text[:60]}{'…' if len(text) > 60 else ''}\u201d"  # noqa: PLR2004  a line's width
