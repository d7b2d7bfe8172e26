"""What every event has in common; no event types here."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the moment lies outside the calendar in UTC") from error


UtcTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
Uuid = Annotated[str, StringConstraints(pattern=UUID_PATTERN)]
AccountId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
LongText = Annotated[str, StringConstraints(max_length=2000)]
# 2^53 - 1: the largest integer that every JSON reader keeps exact.
INTEGER_MAX = 9_007_199_254_740_991
# 2^31 - 1: the largest that a Postgres `integer` column of the read models takes.
INT32_MAX = 2_147_483_647
Credits = Annotated[int, Field(ge=0, le=INTEGER_MAX)]
PositiveCredits = Annotated[int, Field(ge=1, le=INTEGER_MAX)]
SignedCredits = Annotated[int, Field(ge=-INTEGER_MAX, le=INTEGER_MAX)]
JsonScalar = str | Annotated[int, Field(ge=-INTEGER_MAX, le=INTEGER_MAX)] | float | bool
Detail = JsonScalar | tuple[JsonScalar, ...]


def _present_fields_only(schema: dict[str, Any]) -> None:
    """A field that may be absent is absent, never null: the schema says the same."""
    for field in schema.get("properties", {}).values():
        variants = [v for v in field.get("anyOf", []) if v != {"type": "null"}]
        if "anyOf" in field and len(variants) == 1:
            del field["anyOf"]
            field.update(variants[0])
        if field.get("default", ...) is None:
            del field["default"]


class Fact(BaseModel):
    """An immutable part of an event."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        allow_inf_nan=False,
        ser_json_timedelta="float",
        json_schema_extra=_present_fields_only,
    )


class Event(Fact):
    """A fact of one account, as it stands on the tape.

    Units: `occurred_at` is event time, UTC, set by the process that wrote the event.
    """

    schema_version: ClassVar[str] = "1.0.0"

    account_id: AccountId = Field(description="Whom it concerns; the key of the record.")
    occurred_at: UtcTime = Field(description="When it happened, UTC, by the writer's clock.")


class JobEvent(Event):
    """A fact of one generation job."""

    job_id: Uuid = Field(description="The generation job.")
