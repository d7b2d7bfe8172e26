import pytest

# So that a broken sentence shows both sides.
pytest.register_assert_rewrite("tests.spec")
