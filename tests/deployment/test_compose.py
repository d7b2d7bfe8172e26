"""The compose files name what exists, hold no secret, and open nothing to the world."""

import ast
import importlib.util
import re
import stat
from urllib.parse import urlsplit

import pytest
from fastapi.routing import APIRoute

from devstack.compose_secrets import make_secrets
from devstack.kafka import SETTINGS as DEVSTACK_BROKER
from devstack.system import MODULE_BY_PROCESS
from ingress import routes_health
from runtime import probes
from runtime.secret_files import FILE_SUFFIX, variable_names
from runtime.settings import Settings
from simulator.app import create_app
from tests.deployment.compose import (
    BASE,
    ROOT,
    S3,
    compose,
    modules,
    our_services,
    probe_url,
    services,
    whole_services,
)

# Read by botocore, and by Python's tempfile.
NOT_OURS = {"AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SHARED_CREDENTIALS_FILE", "TMPDIR"}
SECRET_WORDS = re.compile(r"(PASSWORD|SECRET|TOKEN|CREDENTIALS|_KEY|DATABASE_URL)")


def by_name(entries):
    return [pytest.param(service, id=f"{file}:{name}") for file, name, service in entries]


def environments():
    return [
        pytest.param(service["environment"], id=f"{file}:{name}")
        for file, name, service in services()
        if "environment" in service
    ]


def known_variables() -> set[str]:
    names: set[str] = set()
    for field in Settings.model_fields.values():
        suffix = FILE_SUFFIX if "Secret" in str(field.annotation) else ""
        names.update(name + suffix for name in variable_names(field))
    return names | NOT_OURS


def test_every_process_of_the_devstack_has_a_service_with_its_module():
    commands = {name: modules(service) for name, service in our_services().items()}
    assert commands == {
        "setup": ["runtime.topics", "projections.migrate"],
        **{name: [module] for name, module in MODULE_BY_PROCESS.items()},
    }


@pytest.mark.parametrize(
    "module", [module for service in our_services().values() for module in modules(service)]
)
def test_every_module_exists_and_can_be_run(module):
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.submodule_search_locations is None or importlib.util.find_spec(f"{module}.__main__")


@pytest.mark.parametrize("name", [name for name in our_services() if name != "simulator"])
def test_every_variable_of_ours_is_a_setting_and_every_secret_one_a_file(name):
    for file in (BASE, S3):
        service = compose(file)["services"].get(name, {})
        assert set(service.get("environment", {})) <= known_variables()


def test_the_settings_of_every_service_are_valid(monkeypatch, tmp_path):
    make_secrets(tmp_path)
    for service in our_services().values():
        with monkeypatch.context() as patch:
            for name, value in service.get("environment", {}).items():
                patch.setenv(name, value.replace("/run/secrets", str(tmp_path)))
            assert Settings().http_port == 8000


@pytest.mark.parametrize("name", [n for n in our_services() if n not in {"simulator", "setup"}])
def test_every_server_of_ours_listens_where_its_container_can_be_reached(name):
    assert our_services()[name]["environment"]["TAPEWORKS_HTTP_HOST"] == "0.0.0.0"  # noqa: S104  inside its network


def test_the_simulator_listens_where_its_container_can_be_reached():
    command = our_services()["simulator"]["command"]
    assert command[command.index("--host") + 1] == "0.0.0.0"  # noqa: S104  inside its network


@pytest.mark.parametrize("service", by_name(whole_services()))
def test_every_service_says_how_it_is_checked_started_again_and_bounded(service):
    assert {"healthcheck", "restart", "mem_limit", "cpus"} <= set(service)
    once = service["restart"] == "no"
    assert service["healthcheck"].get("disable", False) == once


@pytest.mark.parametrize("name", [name for name in our_services() if name != "setup"])
def test_every_probe_asks_a_path_and_a_port_that_are_served(name):
    service = our_services()[name]
    program = service["healthcheck"]["test"][-1]
    ast.parse(program)
    url = urlsplit(probe_url(service))
    paths, port = _served(name, service)
    assert url.hostname == "127.0.0.1"
    assert url.path in paths
    assert str(url.port) == port


def _served(name, service):
    if name == "simulator":
        routes, port = (
            create_app().routes,
            service["command"][service["command"].index("--port") + 1],
        )
    elif name == "ingress":
        routes, port = routes_health.router.routes, service["environment"]["TAPEWORKS_HTTP_PORT"]
    else:
        source = (ROOT / "runtime" / "probes.py").read_text()
        assert probes.__name__ == "runtime.probes"
        return re.findall(r'self\.path == "([^"]+)"', source), service["environment"][
            "TAPEWORKS_PROBE_PORT"
        ]
    return {route.path for route in routes if isinstance(route, APIRoute)}, port


@pytest.mark.parametrize("service", by_name(services()))
def test_every_dependency_is_a_service_and_its_condition_can_come_true(service):
    everything = {name: s for _, name, s in whole_services()}
    for name, dependency in service.get("depends_on", {}).items():
        ends = everything[name]["restart"] == "no"
        wanted = "service_completed_successfully" if ends else "service_healthy"
        assert dependency["condition"] == wanted


@pytest.mark.parametrize("file", [BASE, S3])
def test_every_secret_is_a_file_that_git_ignores_and_make_secrets_writes(file, tmp_path):
    make_secrets(tmp_path)
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    for name, secret in compose(file)["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert (tmp_path / name).exists()


def test_make_secrets_keeps_what_is_there_and_closes_its_folder(tmp_path):
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "postgres_password").write_text("planted\n")
    assert "postgres_password" not in make_secrets(folder)
    assert make_secrets(folder) == []
    assert (folder / "postgres_password").read_text() == "planted\n"
    assert ":planted@postgres:5432/" in (folder / "database_url").read_text()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("environment", environments())
def test_no_variable_holds_a_secret(environment):
    for name, value in environment.items():
        if SECRET_WORDS.search(name):
            assert name.endswith(FILE_SUFFIX)
            assert value.startswith("/run/secrets/")
        assert not re.search(r"://[^/]*@", value)


@pytest.mark.parametrize("service", by_name(services()))
def test_every_secret_a_service_reads_is_mounted_and_declared_and_no_other(service):
    mounted = service.get("secrets", [])
    read = re.findall(
        r"/run/secrets/(\w+)", f"{service.get('environment', '')}{service.get('command', '')}"
    )
    assert sorted(set(read)) == sorted(mounted)
    assert set(mounted) <= {*compose(BASE)["secrets"], *compose(S3)["secrets"]}


@pytest.mark.parametrize("service", by_name(services()))
def test_ports_are_published_to_this_machine_alone(service):
    assert "network_mode" not in service
    for port in service.get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@pytest.mark.parametrize("service", by_name(whole_services()))
def test_every_image_has_a_version_for_its_tag(service):
    name, _, tag = service["image"].partition(":")
    assert name
    assert re.search(r"\d+\.\d+|\d{4}-\d\d-\d\d", tag)


@pytest.mark.parametrize("name", our_services())
def test_our_containers_cannot_write_to_their_image_or_gain_rights(name):
    service = our_services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("file", [BASE, S3])
def test_every_volume_is_declared(file):
    used = {
        volume.split(":")[0]
        for service in compose(file)["services"].values()
        for volume in service.get("volumes", [])
    }
    assert used == set(compose(file)["volumes"])


def test_the_broker_is_set_as_on_a_machine_of_ones_own():
    environment = compose(BASE)["services"]["kafka"]["environment"]
    broker = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environment.items()
    }
    shared = broker.keys() & DEVSTACK_BROKER.keys()
    assert len(shared) >= 15
    assert {n: broker[n] for n in shared} == {n: DEVSTACK_BROKER[n] for n in shared}
    assert broker["auto.create.topics.enable"] == "false"


def test_the_broker_and_the_database_are_those_the_tests_run_on():
    images = {name: s["image"] for _, name, s in whole_services()}
    kafka = re.search(r"kafka_2\.13:([\d.]+)", (ROOT / "devstack" / "kafka.lock").read_text())
    assert kafka is not None
    assert images["kafka"] == f"apache/kafka:{kafka[1]}"
    assert images["postgres"].startswith("postgres:18.")
