import pytest

from tests.runtime.media_stores import CONTENT


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "download"
    path.write_bytes(CONTENT)
    return path
