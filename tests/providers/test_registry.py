from dataclasses import MISSING, fields, replace

import pytest
from pydantic import SecretStr

from domain.catalogue import CATALOGUE
from providers.capabilities import CAPABILITIES, VEO_3_1_AT_GOOGLE, with_poll_interval
from providers.fal import FalQueue
from providers.fal_models import FAL_MODELS
from providers.protocol import Capabilities, FetchError, ProviderError, Submission
from providers.registry import capabilities_of, open_providers
from providers.unconfigured import Unconfigured
from schemas.requests import PrivatePrompt, VideoSettings

# What every record says, by name: a new habit is a question to every provider (issue 4).
HABITS = {
    *("model", "provider", "accepts_idempotency_key", "finds_by_reference", "cancels"),
    *("bills_on_failure", "on_unknown_submission", "url_life_seconds", "poll_renews_link"),
    *("poll_gap_seconds_min", "poll_interval_seconds", "poll_interval_seconds_max"),
    *("submit_timeout_seconds", "poll_timeout_seconds"),
}


def test_a_record_answers_every_question_and_has_no_default_for_any():
    assert all(field.default is MISSING for field in fields(Capabilities))
    assert {field.name for field in fields(Capabilities)} == HABITS
    assert CAPABILITIES.keys() == CATALOGUE.keys()


def test_every_model_at_fal_has_a_row_that_says_how_it_is_asked():
    """S2-29."""
    at_fal = {model.name for model in CATALOGUE.values() if model.provider == FalQueue.name}
    assert FAL_MODELS.keys() == at_fal


def test_nobody_resubmits_who_could_buy_twice():
    """C18: only a key or a lookup would make a second submission harmless."""
    for record in CAPABILITIES.values():
        harmless = record.accepts_idempotency_key or record.finds_by_reference
        assert harmless or record.on_unknown_submission == "fail"


@pytest.mark.parametrize("model", CATALOGUE.values(), ids=lambda model: model.name)
def test_every_model_on_sale_has_a_record_of_its_providers_habits(model):
    record = capabilities_of(model.name)
    assert (record.model, record.provider) == (model.name, model.provider)
    assert 0 < record.poll_gap_seconds_min <= record.poll_interval_seconds
    assert record.poll_interval_seconds <= record.poll_interval_seconds_max
    assert min(record.submit_timeout_seconds, record.poll_timeout_seconds) > 0
    assert record.url_life_seconds > 0


async def test_every_model_on_sale_has_an_open_provider_that_knows_it(settings):
    providers = open_providers(settings)
    for model in CATALOGUE.values():
        assert providers[model.provider].capabilities(model.name) == capabilities_of(model.name)
    for provider in providers.values():
        await provider.close()


def test_a_submission_that_never_got_through_ends_before_its_deadline():
    """Pool, connection and TLS, 10 s each, else "nothing was sent" would read "unknown"."""
    assert all(record.submit_timeout_seconds > 30 for record in CAPABILITIES.values())


async def test_an_operators_poll_interval_replaces_the_models_own(settings):
    """S0-45, C10."""
    providers = open_providers(settings.model_copy(update={"poll_interval_seconds": 2.0}))
    record = providers["google"].capabilities("veo-3.1")
    assert (record.poll_interval_seconds, record.poll_interval_seconds_max) == (2.0, 6.0)
    for provider in providers.values():
        await provider.close()


def test_an_operators_poll_interval_stays_above_the_providers_least_gap():
    record = with_poll_interval(VEO_3_1_AT_GOOGLE, 0.01)
    assert (record.poll_interval_seconds, record.poll_interval_seconds_max) == (0.5, 1.5)


async def test_an_operators_deadline_for_orders_replaces_the_models_own(settings):
    """C19."""
    providers = open_providers(settings.model_copy(update={"submit_timeout_seconds": 3.0}))
    for model, record in CAPABILITIES.items():
        held = providers[record.provider].capabilities(model)
        assert held == replace(record, submit_timeout_seconds=3.0)
    for provider in providers.values():
        await provider.close()


async def test_a_provider_without_a_key_fails_orders_and_begins_nothing(settings, server):
    """One key is enough to start; the other providers' models fail, and are paid back."""
    providers = open_providers(settings.model_copy(update={"fal_key": SecretStr("")}))
    absent = providers["fal"]
    assert isinstance(absent, Unconfigured)
    assert absent.capabilities("sora-2-image") == capabilities_of("sora-2-image")
    wanted = VideoSettings(
        model="sora-2-image", duration_seconds=4, resolution="auto", aspect_ratio="auto"
    )
    with pytest.raises(ProviderError, match="FAL_KEY is not set") as raised:
        await absent.submit(Submission("job", wanted, PrivatePrompt(prompt="x")))
    assert (raised.value.fault.kind, raised.value.fault.started) == ("permanent", "no")
    with pytest.raises(ProviderError) as raised:
        await absent.poll("sora-2-image", "request")
    assert raised.value.fault.kind == "transient"
    with pytest.raises(FetchError):
        async with absent.fetch("https://x"):
            pass
    assert await absent.cancel("sora-2-image", "request") == "not_offered"
    for provider in providers.values():
        await provider.close()
    assert server.received == []


def test_a_worker_without_any_key_does_not_start(settings):
    none = {"google_api_key": SecretStr(""), "vertex_api_key": SecretStr("")}
    none |= {"fal_key": SecretStr("")}
    with pytest.raises(ValueError, match="GOOGLE_AI_API_KEY, VERTEX_AI_API_KEY, FAL_KEY"):
        open_providers(settings.model_copy(update=none))


def test_without_an_operators_interval_the_record_stands():
    """S0-45: 10 s, at most 30 s."""
    assert with_poll_interval(VEO_3_1_AT_GOOGLE, None) is VEO_3_1_AT_GOOGLE
    assert VEO_3_1_AT_GOOGLE.poll_interval_seconds == 10
    assert VEO_3_1_AT_GOOGLE.poll_interval_seconds_max == 30
