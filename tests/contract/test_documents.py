"""What the documents point at is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
MENTION = re.compile(
    r"`((?:tests|docs|schemas|runtime|domain|providers|simulator)/[\w./-]+)(?:::(\w+))?`"
)
LINK = re.compile(r"\]\(([^)#]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_test_that_a_page_names_exists(page):
    text = page.read_text()
    for path, name in MENTION.findall(text):
        assert (ROOT / path).exists(), path
        if name:
            assert re.search(rf"def {name}\(", (ROOT / path).read_text()), f"{path}::{name}"
    for target in LINK.findall(text):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=str)
def test_every_decision_has_its_five_parts(page):
    headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"]
