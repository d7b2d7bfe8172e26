"""Reads the body of a submission to Vertex: what every Veo takes, and what only this door does."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from simulator.google_errors import invalid_argument
from simulator.studio import Order
from simulator.veo_request import PARAMETERS, choice, order_of, read_body, refuse_others, typed

STORAGE_SCHEME = "gs://"
# In the spelling of the documents, and in that of google-genai 2.34.0.
QUALITIES = ("optimized", "lossless", "OPTIMIZED", "LOSSLESS")
RESIZE_MODES = ("pad", "crop", "PAD", "CROP")
FPS = 24  # what the model makes, and so all that may be asked for
_PARAMETERS = PARAMETERS | {
    "compressionQuality",
    "fps",
    "generateAudio",
    "pubsubTopic",
    "resizeMode",
    "storageUri",
}


def read_vertex_order(model: str, document: object) -> Order:
    """Return what a body asks for.

    Raises: GoogleError, 400, that names the field.
    """
    prompt, parameters = read_body(document)
    refuse_others(parameters, _PARAMETERS)
    choice(parameters, "compressionQuality", QUALITIES, QUALITIES[0])
    choice(parameters, "resizeMode", RESIZE_MODES, RESIZE_MODES[0])
    typed(parameters, "generateAudio", bool, "a boolean")
    typed(parameters, "pubsubTopic", str, "a string")
    if parameters.get("fps", FPS) != FPS:
        raise invalid_argument(f"parameters.fps: must be {FPS}.")
    order = order_of(model, prompt, parameters)
    return replace(order, storage_uri=_storage_uri(parameters))


def _storage_uri(parameters: Mapping[str, Any]) -> str | None:
    uri = parameters.get("storageUri")
    if uri is None:
        return None
    if not isinstance(uri, str) or not uri.removeprefix(STORAGE_SCHEME).strip("/"):
        raise invalid_argument("parameters.storageUri: must name a bucket.")
    if not uri.startswith(STORAGE_SCHEME):
        raise invalid_argument(f"parameters.storageUri: must begin with {STORAGE_SCHEME}.")
    return uri
