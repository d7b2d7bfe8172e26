"""What a provider's safety filter may find, and what the owner of the prompt can do about it.

Source: S0-86.
"""

from collections.abc import Mapping

UNSPECIFIED = "unspecified"

_NEW = "Then send a new request."
ADVICE: Mapping[str, str] = {
    "child": f"Leave children out of the prompt. {_NEW}",
    "celebrity": f"Leave people known to the public out of the prompt. {_NEW}",
    "video_safety": f"Describe the scene in a milder way. {_NEW}",
    "dangerous": f"Take dangerous acts and objects out of the prompt. {_NEW}",
    "hate": f"Take everything that demeans a group of people out of the prompt. {_NEW}",
    "other": f"Describe the scene in other words. {_NEW}",
    "prohibited": f"Take everything about child safety or intimacy out of the prompt. {_NEW}",
    "third_party": f"Leave brands, characters and works of others out of the prompt. {_NEW}",
    "sexual": f"Take sexual content out of the prompt. {_NEW}",
    "toxic": f"Take insults and abuse out of the prompt. {_NEW}",
    "violence": f"Take violence, weapons and injuries out of the prompt. {_NEW}",
    "vulgar": f"Take vulgar words out of the prompt. {_NEW}",
    UNSPECIFIED: "Change the prompt so that it follows the provider's content policy.",
}


def advice(category: str) -> str:
    """Give what the owner can do about one category; a general word for one that is not known."""
    return ADVICE.get(category, ADVICE[UNSPECIFIED])
