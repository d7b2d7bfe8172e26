"""The broker starts with classes that were kept for it, and with none that do not fit."""

import os
import subprocess

import pytest

from devstack.archive import archive_path
from devstack.install import ensure_jars
from devstack.kafka import java_command


def version_with(scratch, *options):
    class_path = os.pathsep.join(map(str, ensure_jars()))
    return subprocess.run(
        [*java_command(scratch), *options, "-cp", class_path, "kafka.Kafka", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_was_kept_fits_the_installed_broker(tmp_path):
    """The mode `on` makes of an archive that does not fit an error."""
    kept = archive_path()
    assert kept.is_file(), "`make install` records it"
    done = version_with(tmp_path, "-XX:AOTMode=on", f"-XX:AOTCache={kept}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("content", [b"", b"no archive"], ids=["empty", "damaged"])
def test_an_archive_that_does_not_fit_is_passed_over(tmp_path, content):
    other = tmp_path / "kafka.aot"
    other.write_bytes(content)
    assert version_with(tmp_path, "-XX:AOTMode=on", f"-XX:AOTCache={other}").returncode != 0
    assert version_with(tmp_path, f"-XX:AOTCache={other}").returncode == 0
