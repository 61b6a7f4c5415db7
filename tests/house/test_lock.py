"""Lock: uv.lock serves everybody, and fits pyproject.toml."""

import re
import tomllib
from typing import Any

from tests.house.source import ROOT

HOSTS = {"https://pypi.org", "https://files.pythonhosted.org"}

Toml = dict[str, Any]


def strange_hosts(lock: str) -> set[str]:
    """Places in a lock file that only some machines can reach."""
    found = set(re.findall(r'"((?:[a-z+]+:)?//[^/"]+|file:[^"]+|/[^"]*)', lock))
    return found - HOSTS


def forgotten(project: Toml, lock: Toml) -> set[str]:
    """Requirements that pyproject.toml and uv.lock do not share."""
    [own] = [package for package in lock["package"] if package["name"] == "leadhand"]
    asked = {
        *project["project"].get("dependencies", []),
        *(one for group in project["dependency-groups"].values() for one in group),
        *(
            one
            for extra in project["project"].get("optional-dependencies", {}).values()
            for one in extra
        ),
    }
    locked = own["metadata"]["requires-dist"] + [
        one for group in own["metadata"].get("requires-dev", {}).values() for one in group
    ]
    return {name_of(one) for one in asked} ^ {one["name"] for one in locked}


def name_of(requirement: str) -> str:
    """`pytest` of `pytest[x]>=8.3`."""
    return re.split(r"[^\w.-]", requirement)[0]


def test_the_lock_names_no_machine_but_pypi() -> None:
    assert strange_hosts((ROOT / "uv.lock").read_text()) == set()


def test_the_lock_has_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    assert forgotten(project, lock) == set(), "run: uv lock"


def test_a_strange_host_is_caught() -> None:
    assert not strange_hosts('url = "https://files.pythonhosted.org/packages/a.whl"')
    assert strange_hosts('source = { registry = "http://mirror.local/simple" }')
    assert strange_hosts('source = { registry = "/opt/wheels" }')
    assert strange_hosts('url = "file:///opt/wheels/a.whl"')


def test_a_requirement_that_was_not_locked_is_caught() -> None:
    project = {
        "project": {"dependencies": ["click>=8", "aiohttp>=3.9"]},
        "dependency-groups": {"dev": ["pytest"]},
    }
    metadata = {"requires-dist": [{"name": "click"}], "requires-dev": {"dev": [{"name": "pytest"}]}}
    lock = {"package": [{"name": "leadhand", "metadata": metadata}]}
    assert forgotten(project, lock) == {"aiohttp"}
