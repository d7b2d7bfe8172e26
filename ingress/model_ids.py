"""The catalogue's models under ids, for clients that choose a model by a UUID (S2-03, S2-07)."""

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5

from domain.catalogue import CATALOGUE

# Derived from the name, so that an id is the same in every system and for ever.
MODEL_IDS: Mapping[str, str] = {
    name: str(uuid5(NAMESPACE_URL, f"urn:tapeworks:model:{name}")) for name in CATALOGUE
}
_NAMES = {model_id: name for name, model_id in MODEL_IDS.items()}


def model_named(model_id: str) -> str | None:
    """Give the name of the model with this id or this name; None if there is none."""
    return model_id if model_id in CATALOGUE else _NAMES.get(model_id.lower())
