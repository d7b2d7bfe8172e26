import socket

import pytest

from devstack.errors import DevstackError
from devstack.ports import LOOPBACK, PortBook, free_port, is_free


@pytest.fixture
def listener():
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def test_a_port_with_a_listener_is_not_free(listener):
    assert not is_free(port_of(listener))


def test_a_port_whose_connections_linger_is_free_again():
    with socket.create_server((LOOPBACK, 0)) as server:
        port = port_of(server)
        client = socket.create_connection((LOOPBACK, port))
        server.accept()[0].close()  # the server's side waits for stragglers from now on
        client.close()
    assert is_free(port)


def test_a_free_port_is_none_that_was_promised():
    first = free_port()
    assert free_port(frozenset({first})) != first


def test_a_name_keeps_its_port(tmp_path):
    port = PortBook(tmp_path / "ports.json").port("kafka")
    assert PortBook(tmp_path / "ports.json").port("kafka", preferred=free_port()) == port


def test_a_name_gets_the_port_it_prefers_if_that_is_free(tmp_path):
    preferred = free_port()
    assert PortBook(tmp_path / "ports.json").port("kafka", preferred) == preferred


def test_a_name_gets_another_port_when_the_preferred_one_is_taken(tmp_path, listener):
    assert PortBook(tmp_path / "ports.json").port("kafka", port_of(listener)) != port_of(listener)


def test_a_name_gets_another_port_when_its_own_has_been_taken(tmp_path, listener):
    book = PortBook(tmp_path / "ports.json")
    (tmp_path / "ports.json").write_text(f'{{"kafka": {port_of(listener)}}}')
    port = book.port("kafka")
    assert port != port_of(listener)
    assert book.saved("kafka") == port


def test_two_names_never_share_a_port(tmp_path):
    book = PortBook(tmp_path / "ports.json")
    port = book.port("kafka")
    assert book.port("postgres", preferred=port) != port


def test_the_port_of_what_never_ran_is_not_guessed(tmp_path):
    with pytest.raises(DevstackError, match="kafka has never been started"):
        PortBook(tmp_path / "ports.json").saved("kafka")
