"""Requests that begin with a picture: which models need one, and what the ledger says."""

import pytest

from schemas.ledger import CreditsReserved
from schemas.requests import PrivatePrompt
from tests.domain.examples import PROMPT, reserve, video
from tests.domain.ledger_answers import declined, granted
from tests.domain.ledger_book import Book, decide, evolve
from tests.spec import Spec

given = Spec(Book(), decide, evolve).given
SORA = video(model="sora-2-image", resolution="auto", aspect_ratio="auto")
WITH_IMAGE = PrivatePrompt(prompt="it runs", image_url="https://pictures.example/fox.png")


@pytest.mark.parametrize(
    ("settings", "prompt", "field", "value", "allowed"),
    [
        (SORA, PROMPT, "image_url", "absent", "present"),
        (video(), WITH_IMAGE, "image_url", "present", "absent"),
        (
            SORA,
            WITH_IMAGE.model_copy(update={"negative_prompt": "rain"}),
            "negative_prompt",
            "present",
            "absent",
        ),
    ],
)
def test_a_picture_or_words_that_do_not_fit_the_model_are_declined_and_cost_nothing(
    settings, prompt, field, value, allowed
):
    """S2-24."""
    given(granted(1, 100)).when(reserve(settings=settings, prompt=prompt)).then(
        declined(
            "UNSUPPORTED_SETTING",
            sequence=2,
            balance_after=100,
            details={"field": field, "value": value, "allowed": (allowed,)},
        )
    )


def test_a_model_with_its_picture_is_bought_at_its_own_price():
    events = (
        given(granted(1, 130))
        .when(reserve(settings=SORA.model_copy(update={"duration_seconds": 12}), prompt=WITH_IMAGE))
        .events
    )
    (reservation,) = events
    assert isinstance(reservation, CreditsReserved)
    assert (reservation.price_credits, reservation.balance_after) == (120, 10)
    assert reservation.private == WITH_IMAGE
