"""The whole system's variables: what its processes get, and whoever joins them later."""

from devstack.state import StateFolder
from devstack.system import SystemOptions, TapeSystem


def test_whoever_joins_later_goes_by_the_settings_that_the_processes_have(tmp_path, monkeypatch):
    """Else `tape verify` from another shell would hold a system against limits it never had."""
    monkeypatch.setenv("TAPEWORKS_ACTIVE_JOBS_MAX", "100")
    monkeypatch.setenv("TAPEWORKS_HTTP_PORT", "1")
    state = StateFolder(tmp_path / "tape")
    state.create()
    system = TapeSystem(state, SystemOptions(fixed_ports=False))
    variables = system._variables({})
    assert variables["TAPEWORKS_ACTIVE_JOBS_MAX"] == "100"
    assert variables["TAPEWORKS_HTTP_PORT"] != "1"
