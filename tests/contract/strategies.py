"""Any event of any type, drawn from its model's own types and bounds."""

import string
from collections.abc import Callable
from datetime import UTC, datetime
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, StringConstraints

from schemas.base import Event
from schemas.topics import EVENT_TYPES

# 15 values per test and event type, 20 types: every bound is met, and the folder stays under 10 s.
_PROMISES = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Texts are cut at this in tests: a longer one could fail in no other way, but slowly.
TEXT_MAX = 40
_TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9990, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis wants naive bounds


def whatever(
    **drawn: st.SearchStrategy[Any],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for several values of each argument; no profile of another folder has a say."""
    return lambda test: _PROMISES(given(**drawn)(test))


def events(event_type: type[Event]) -> st.SearchStrategy[Event]:
    return _models(event_type)


any_event = st.sampled_from(sorted(EVENT_TYPES.values(), key=lambda t: t.__name__)).flatmap(events)


def _models(model: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        model,
        **{
            name: _values(field.annotation, tuple(field.metadata))
            for name, field in model.model_fields.items()
        },
    )


def _values(annotation: Any, metadata: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(arguments[0], (*metadata, *arguments[1:]))
    if origin in (Union, UnionType):
        return st.one_of(*(_values(argument, metadata) for argument in arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(_texts(()), _values(arguments[1]), max_size=3)
    return _plain(annotation, metadata)


def _plain(kind: type[Any], metadata: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if kind is str:
        return _texts(metadata)
    if kind is int:
        return st.integers(
            _bound(metadata, Ge, "ge", -(2**53) + 1), _bound(metadata, Le, "le", 2**53 - 1)
        )
    if kind is float:
        return st.floats(
            min_value=_bound(metadata, Gt, "gt", None),
            max_value=_bound(metadata, Lt, "lt", None),
            exclude_min=any(isinstance(item, Gt) for item in metadata),
            allow_nan=False,
            allow_infinity=False,
        )
    if kind is bool:
        return st.booleans()
    if kind is type(None):
        return st.none()
    if kind in (datetime, AwareDatetime):
        return _TIMES
    assert issubclass(kind, BaseModel), f"no values for {kind}"
    return _models(kind)


def _texts(metadata: tuple[Any, ...]) -> st.SearchStrategy[str]:
    pattern = _bound(metadata, StringConstraints, "pattern", None)
    if pattern is not None:
        # \Z: Python's $ would let a line feed pass that the contract does not.
        return st.from_regex(
            str(pattern).replace("$", r"\Z"), alphabet=st.sampled_from(string.printable)
        )
    least = max(
        _bound(metadata, MinLen, "min_length", 0),
        _bound(metadata, StringConstraints, "min_length", 0) or 0,
    )
    return st.text(min_size=least, max_size=TEXT_MAX)


def _bound(metadata: tuple[Any, ...], kind: type[Any], name: str, default: Any) -> Any:
    return next((getattr(item, name) for item in metadata if isinstance(item, kind)), default)
