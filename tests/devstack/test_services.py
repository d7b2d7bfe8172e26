import asyncpg
import pytest

from devstack.errors import DevstackError
from devstack.services import Services
from devstack.supervisor import Supervisor

ELSEWHERE = {
    "KAFKA_BOOTSTRAP_SERVERS": "broker.example:9092",
    "DATABASE_URL": "postgresql://db.example/tape",
    "OBJECT_STORE_URL": "s3://bucket",
}


def test_services_the_environment_names_are_used_and_not_started(state):
    services = Services(state, environ=ELSEWHERE)
    assert services.environment() == ELSEWHERE
    assert services.processes == ()


@pytest.mark.parametrize(
    ("variable", "started"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", ["postgres"]),
        ("DATABASE_URL", ["kafka"]),
        ("OBJECT_STORE_URL", ["kafka", "postgres"]),
    ],
)
def test_each_service_is_replaced_on_its_own(state, variable, started):
    services = Services(state, environ={variable: ELSEWHERE[variable]}, free_ports=True)
    assert [process.name for process in services.processes] == started
    assert services.environment()[variable] == ELSEWHERE[variable]


def test_an_empty_variable_names_nothing(state):
    services = Services(state, environ=dict.fromkeys(ELSEWHERE, ""), free_ports=True)
    assert [process.name for process in services.processes] == ["kafka", "postgres"]
    assert services.environment()["OBJECT_STORE_URL"] == state.media.as_uri()


def test_a_second_start_keeps_its_ports_and_another_process_can_join_it(state):
    first = Services(state, environ={}, free_ports=True).environment()
    assert Services(state, environ={}).environment() == first
    assert Services(state, environ={}, running=True).environment() == first


def test_nothing_can_join_what_never_ran(state):
    with pytest.raises(DevstackError, match="never been started"):
        Services(state, environ={}, running=True)


async def test_broker_and_database_start_beside_each_other(state):
    async with Supervisor(state) as supervisor:
        services = Services(state, environ={}, free_ports=True)
        await supervisor.start(*services.processes)
        assert [row.healthy for row in await supervisor.status()] == [True, True]
        connection = await asyncpg.connect(services.environment()["DATABASE_URL"])
        assert await connection.fetchval("SELECT current_database()") == "tapeworks"
        await connection.close()
    assert [process.pid for process in services.processes] == [None, None]


def test_clients_are_told_the_advertised_ports_and_a_port_that_is_none_is_refused(state):
    environ = {"TAPE_KAFKA_ADVERTISED_PORT": "7001", "TAPE_POSTGRES_ADVERTISED_PORT": "7002"}
    told = Services(state, environ=environ, free_ports=True).environment()
    assert told["KAFKA_BOOTSTRAP_SERVERS"].endswith(":7001")
    assert ":7002/" in told["DATABASE_URL"]
    with pytest.raises(DevstackError, match=r"TAPE_KAFKA_ADVERTISED_PORT.*'soon'"):
        Services(state, environ={"TAPE_KAFKA_ADVERTISED_PORT": "soon"}, free_ports=True)
