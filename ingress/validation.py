"""Turns JSON into what was meant, or says what is wrong with each field and what would be right.

A value that was sent may be repeated in an answer, shortened; a prompt never is.
"""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from domain.catalogue import CATALOGUE
from domain.prompts import PROMPT_TOKENS_MAX, count_tokens, sanitized
from ingress.inputs import GenerationInput, Input
from ingress.model_settings import image_url_faults, input_faults, setting_faults, settings_of
from ingress.problems import FieldFault, ProblemError, invalid, shown
from ingress.spellings import GENERATIONS, Spelling
from schemas.requests import PrivatePrompt, VideoSettings

In = TypeVar("In", bound=Input)
# 32,768 characters: what an event holds (schemas.requests.PrivatePrompt).
TEXT_CHARACTERS_MAX = 32_768
# 30: Unicode's Stream-Safe Text Format (UAX 15); longer runs make normalizing quadratic.
MARKS_IN_A_ROW_MAX = 30
# 20: enough to correct a request by; an answer stays small however wrong the request is.
FAULTS_SHOWN_MAX = 20
KEY_CHARACTERS_MAX = 255
KEY_HEADER = "Idempotency-Key"
# Begin the ledger's keys of changes by hand, so that no client's key can stand in their way.
GRANT_KEY_PREFIX = "grant:"
ADJUSTMENT_KEY_PREFIX = "adjust:"
REFUND_KEY_PREFIX = "refund:"
HAND_KEY_PREFIXES = (GRANT_KEY_PREFIX, ADJUSTMENT_KEY_PREFIX, REFUND_KEY_PREFIX)

_REMEDY_BY_TYPE = {
    "string_type": "send a text",
    "int_type": "send a whole number",
    "int_from_float": "send a whole number",
    "missing": "send it",
    "model_type": "send an object",
    "extra_forbidden": "leave it out",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A generation as it was asked for: valid, with its defaults, sanitized."""

    settings: VideoSettings
    prompt: PrivatePrompt

    @property
    def body_sha256(self) -> str:
        """Hash the canonical body: equal for requests that ask for the same (torture row 32)."""
        canonical = {
            **self.settings.model_dump(),
            "prompt": self.prompt.prompt,
            "negative_prompt": self.prompt.negative_prompt,
            "image_url": self.prompt.image_url,
        }
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256(text.encode()).hexdigest()


def parsed(kind: type[In], body: dict[str, Any]) -> In:
    """Read a body as one input type.

    Raises: ProblemError INVALID_REQUEST with every fault of form, at most 20.
    """
    known = {field.alias or name: None for name, field in kind.model_fields.items()}
    unknown = [name for name in body if name not in known]
    faults = [
        FieldFault(shown(name), "is not a known field", f"leave it out; known: {', '.join(known)}")
        for name in unknown[:FAULTS_SHOWN_MAX]
    ]
    try:
        taken = kind.model_validate({name: body[name] for name in body if name in known})
    except ValidationError as error:
        faults += [_fault(dict(details)) for details in error.errors(include_url=False)]
        raise invalid(*faults[:FAULTS_SHOWN_MAX]) from None
    if faults:
        raise invalid(*faults)
    return taken


def wanted_generation(asked: GenerationInput, spelling: Spelling = GENERATIONS) -> Wanted:
    """Check what was asked of a new generation.

    Raises: ProblemError INVALID_REQUEST with every fault, each field named as `spelling` does.
    """
    faults: list[FieldFault] = []
    prompt = checked_text("prompt", asked.prompt, faults)
    negative = asked.negative_prompt
    if negative is not None:
        negative = checked_text("negative_prompt", negative, faults)
    for field, text in (("prompt", prompt), ("negative_prompt", negative)):
        tokens = count_tokens(text) if text else 0
        if tokens > PROMPT_TOKENS_MAX:
            faults.append(
                FieldFault(
                    field,
                    f"has {tokens} tokens; at most {PROMPT_TOKENS_MAX}",
                    f"shorten it by at least {tokens - PROMPT_TOKENS_MAX} tokens",
                )
            )
    if asked.image_url is not None:
        faults += image_url_faults(asked.image_url)
    model = CATALOGUE.get(asked.model)
    if model is None:
        problem, remedy = f"{shown(asked.model)!r} is no model", ", ".join(CATALOGUE)
        faults.append(FieldFault("model", problem, f"use one of: {remedy}"))
        raise _named_by(spelling, faults)
    settings = settings_of(asked, model)
    faults += setting_faults(model, settings)
    words = PrivatePrompt.model_construct(
        prompt=prompt, negative_prompt=negative, image_url=asked.image_url
    )
    faults += input_faults(model, words)
    if faults:
        raise _named_by(spelling, faults)
    # Built anew, and so checked as the tape will check it.
    return Wanted(VideoSettings(**settings.model_dump()), PrivatePrompt(**words.model_dump()))


def _named_by(spelling: Spelling, faults: Sequence[FieldFault]) -> ProblemError:
    return invalid(*(replace(fault, field=spelling.field(fault.field)) for fault in faults))


def checked_text(
    field: str, text: str, faults: list[FieldFault], characters_max: int = TEXT_CHARACTERS_MAX
) -> str:
    """Give a person's text sanitized; add what is wrong with it to `faults`."""
    characters = len(text)
    clean = ""
    if characters <= characters_max:
        if _has_long_run_of_marks(text):
            problem = f"has more than {MARKS_IN_A_ROW_MAX} combining marks in a row"
            faults.append(FieldFault(field, problem, "send ordinary text"))
            return ""
        clean = sanitized(text)
        characters = len(clean)
    if characters > characters_max:
        problem = f"has {characters} characters; at most {characters_max}"
        faults.append(FieldFault(field, problem, "shorten it"))
    elif not clean:
        problem = "is empty once control characters and outer spaces are removed"
        faults.append(FieldFault(field, problem, "send at least one visible character"))
    return clean


def idempotency_key(request: Request, prefix: str = "") -> str | None:
    """Read the Idempotency-Key header; None where the client sent none.

    Raises: ProblemError INVALID_REQUEST.
    """
    sent = request.headers.getlist(KEY_HEADER)
    if not sent:
        return None
    key = sent[0]
    characters_max = KEY_CHARACTERS_MAX - len(prefix)
    remedy = f"send 1 to {characters_max} visible ASCII characters, once"
    if len(sent) > 1:
        raise invalid(FieldFault(KEY_HEADER, "is sent more than once", remedy))
    if not 1 <= len(key) <= characters_max:
        raise invalid(FieldFault(KEY_HEADER, f"has {len(key)} characters", remedy))
    if not all("\x21" <= character <= "\x7e" for character in key):
        raise invalid(FieldFault(KEY_HEADER, "has characters other than visible ASCII", remedy))
    reserved = next((start for start in HAND_KEY_PREFIXES if key.startswith(start)), None)
    if not prefix and reserved is not None:
        raise invalid(FieldFault(KEY_HEADER, f"begins with {reserved}", "choose another"))
    return prefix + key


def _fault(details: dict[str, Any]) -> FieldFault:
    field = ".".join(str(part) for part in details["loc"])
    context = details.get("ctx", {})
    remedy = _REMEDY_BY_TYPE.get(details["type"], "correct it")
    if details["type"] == "missing":
        return FieldFault(field, "is missing", remedy)
    if details["type"] == "extra_forbidden":
        return FieldFault(shown(field), "is not a known field", remedy)
    if details["type"] in {"string_type", "int_type", "model_type"}:
        return FieldFault(field, f"is {_json_type(details['input'])}", remedy)
    if "ge" in context or "le" in context:
        remedy = f"send {context.get('ge', 'at least 1')} or more" if "ge" in context else ""
        remedy = remedy or f"send at most {context['le']}"
    if "pattern" in context:
        remedy = f"send a text that matches {context['pattern']}"
    if "expected" in context:
        remedy = f"send one of: {context['expected']}"
    return FieldFault(field, f"{shown(details['input'])!r} is not allowed", remedy)


def _json_type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case int() | float():
            return f"the number {shown(value)}"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"


def _has_long_run_of_marks(text: str) -> bool:
    if text.isascii():
        return False
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run > MARKS_IN_A_ROW_MAX:
            return True
    return False
