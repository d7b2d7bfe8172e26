"""Which providers there are, and which record belongs to a model."""

from collections.abc import Callable

from pydantic import SecretStr

from providers.capabilities import CAPABILITIES
from providers.fal import FalQueue
from providers.google import GoogleVeo
from providers.protocol import Capabilities, Provider
from providers.unconfigured import Unconfigured
from providers.vertex import VertexVeo
from runtime.settings import Settings

_Row = tuple[str, Callable[[Settings], Provider], Callable[[Settings], SecretStr], str]
_PROVIDERS: tuple[_Row, ...] = (
    (GoogleVeo.name, GoogleVeo, lambda settings: settings.google_api_key, "GOOGLE_AI_API_KEY"),
    (VertexVeo.name, VertexVeo, lambda settings: settings.vertex_api_key, "VERTEX_AI_API_KEY"),
    (FalQueue.name, FalQueue, lambda settings: settings.fal_key, "FAL_KEY"),
)


def open_providers(settings: Settings) -> dict[str, Provider]:
    """Open every provider's adapter, by the name that the catalogue uses.

    One without a key is stood in for: its models' jobs fail, and nothing is begun.
    Raises: ValueError at start, naming the variable that is wrong, or all if no key is set.
    Guarantee: sends nothing; the caller closes each.
    """
    if not any(key(settings).get_secret_value() for _, _, key, _ in _PROVIDERS):
        variables = ", ".join(variable for *_, variable in _PROVIDERS)
        raise ValueError(f"no provider has a key: set one of {variables}")
    return {
        name: adapter(settings)
        if key(settings).get_secret_value()
        else Unconfigured(name, variable, settings)
        for name, adapter, key, variable in _PROVIDERS
    }


def capabilities_of(model: str) -> Capabilities:
    """Give the record of one catalogue model, before any operator's setting.

    Raises: KeyError for a model without a record; a test keeps the catalogue free of those.
    """
    return CAPABILITIES[model]
