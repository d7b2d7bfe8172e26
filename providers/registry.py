"""Which providers there are, and which record belongs to a model."""

from providers.capabilities import CAPABILITIES
from providers.google import GoogleVeo
from providers.protocol import Capabilities, Provider
from runtime.settings import Settings


def open_providers(settings: Settings) -> dict[str, Provider]:
    """Open every provider's adapter, by the name that the catalogue uses.

    Raises: ValueError at start, naming the variable that is missing or wrong.
    Guarantee: sends nothing; the caller closes each.
    """
    adapters: tuple[Provider, ...] = (GoogleVeo(settings),)
    return {adapter.name: adapter for adapter in adapters}


def capabilities_of(model: str) -> Capabilities:
    """Give the record of one catalogue model, before any operator's setting.

    Raises: KeyError for a model without a record; a test keeps the catalogue free of those.
    """
    return CAPABILITIES[model]
