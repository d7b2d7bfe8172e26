"""Log lines: one JSON object each, without secrets, and only those of the level."""

import json
import logging

import pytest
import structlog

from runtime.logs import REDACTED, configure_logs, logger

KEY = "tw_" + "a" * 43


@pytest.fixture(autouse=True)
def logs_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_tells_what_happened_where_and_when(capsys):
    configure_logs("ingress")
    logger("some.module").info("http_answer", status=202, ms=1.5, odd={"a": {1}})
    (line,) = lines(capsys)
    assert line.pop("logged_at").endswith("Z")
    assert line == {
        "event": "http_answer",
        "status": 202,
        "ms": 1.5,
        "odd": {"a": [1]},
        "level": "info",
        "logger": "some.module",
        "process": "ingress",
    }


def test_lines_below_the_level_are_not_written(capsys):
    configure_logs("ingress", "warning")
    logger("some.module").info("quiet")
    logger("some.module").warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_no_secret_is_written_by_us_or_by_a_library_I28(capsys):
    configure_logs("ingress")
    logger("some.module").warning("refused", api_key="x", said=f"the key {KEY}")
    logging.getLogger("a.library").warning("sent %s", KEY)
    ours, theirs = lines(capsys)
    assert (ours["api_key"], ours["said"]) == (REDACTED, f"the key {REDACTED}")
    assert theirs["event"] == f"sent {REDACTED}"


def test_an_exception_is_written_with_its_trace_on_one_line(capsys):
    configure_logs("ingress")
    try:
        int("of this test")
    except ValueError:
        logger("some.module").exception("failed")
    (line,) = lines(capsys)
    assert line["level"] == "error"
    assert "ValueError: invalid literal" in line["exception"]
