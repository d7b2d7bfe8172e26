import pytest

from domain.catalogue import CATALOGUE
from providers.capabilities import VEO_3_1_AT_GOOGLE, with_poll_interval
from providers.registry import capabilities_of, open_providers


@pytest.mark.parametrize("model", CATALOGUE.values(), ids=lambda model: model.name)
def test_every_model_on_sale_has_a_record_of_its_providers_habits(model):
    record = capabilities_of(model.name)
    assert (record.model, record.provider) == (model.name, model.provider)
    assert 0 < record.poll_interval_seconds <= record.poll_interval_seconds_max


async def test_every_model_on_sale_has_an_open_provider_that_knows_it(settings):
    providers = open_providers(settings)
    for model in CATALOGUE.values():
        assert providers[model.provider].capabilities(model.name) == capabilities_of(model.name)
    for provider in providers.values():
        await provider.close()


def test_a_submission_that_never_got_through_ends_before_its_deadline():
    """Pool, connection and TLS, 10 s each, else "nothing was sent" would read "unknown"."""
    assert VEO_3_1_AT_GOOGLE.submit_timeout_seconds > 30


async def test_an_operators_poll_interval_replaces_the_models_own(settings):
    """S0-45, C10."""
    providers = open_providers(settings.model_copy(update={"poll_interval_seconds": 2.0}))
    record = providers["google"].capabilities("veo-3.1")
    assert (record.poll_interval_seconds, record.poll_interval_seconds_max) == (2.0, 6.0)
    await providers["google"].close()


def test_without_an_operators_interval_the_record_stands():
    """S0-45: 10 s, at most 30 s."""
    assert with_poll_interval(VEO_3_1_AT_GOOGLE, None) is VEO_3_1_AT_GOOGLE
    assert VEO_3_1_AT_GOOGLE.poll_interval_seconds == 10
    assert VEO_3_1_AT_GOOGLE.poll_interval_seconds_max == 30
