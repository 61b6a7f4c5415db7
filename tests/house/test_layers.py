"""Layers: all arrows point down, and the contracts of pyproject.toml catch one that does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

pytestmark = pytest.mark.slow

LINT = Path(sys.executable).parent / "lint-imports"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Hold the package under this folder against the contracts beside it."""
    return subprocess.run(
        [LINT, "--no-cache", "--no-logo"],
        capture_output=True,
        check=False,
        cwd=folder,
        env={"PYTHONPATH": str(folder / "src")},
        text=True,
        timeout=60,
    )


def lint_sample(folder: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Hold a small package of these files against the project's own contracts."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    for path, text in {"__init__.py": "", **files}.items():
        file = folder / "src" / "leadhand" / path
        for package in (file.parent, *file.parent.parents):
            if package.is_relative_to(folder / "src" / "leadhand"):
                package.mkdir(parents=True, exist_ok=True)
                (package / "__init__.py").touch()
        file.write_text(text)
    return lint(folder)


GOOD = {
    "cli/__init__.py": "import leadhand.wiring",
    "wiring.py": "import leadhand.engine, leadhand.stores.sqlite",
    "engine/__init__.py": "import leadhand.domain.decide, leadhand.store",
    "stores/sqlite.py": "import leadhand.store",
    "store.py": "import leadhand.errors",
    "load/lines.py": "",
    "models/wire.py": "",
    "workspaces/source.py": "",
    "domain/decide.py": "import leadhand.domain.rules.actor",
    "domain/rules/actor.py": "import leadhand.domain.rules.budget, leadhand.domain.state",
    "domain/rules/budget.py": "import leadhand.domain.money",
    "domain/state.py": "",
    "domain/money.py": "",
    "errors.py": "",
}


def test_all_arrows_of_the_package_point_down() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_arrows_that_point_down_pass(tmp_path: Path) -> None:
    done = lint_sample(tmp_path, GOOD)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "text", "contract"),
    [
        ("domain/state.py", "import leadhand.store", "All arrows point down"),
        ("store.py", "import leadhand.stores.sqlite", "All arrows point down"),
        ("engine/__init__.py", "import leadhand.wiring", "All arrows point down"),
        ("brain.py", "", "All arrows point down"),
        ("domain/money.py", "import leadhand.domain.state", "The domain"),
        ("domain/rules/budget.py", "import leadhand.domain.rules.caps", "Rules"),
        ("domain/rules/brain.py", "", "Rules"),
        ("stores/sqlite.py", "import leadhand.stores.memory", "Stores"),
        ("models/openai.py", "import leadhand.models.anthropic", "Models"),
        ("harnesses/api.py", "import leadhand.harnesses.script", "Implementations"),
        ("tools/read.py", "import leadhand.tools.call", "No cycle"),
    ],
)
def test_an_arrow_that_points_elsewhere_is_caught(
    tmp_path: Path, path: str, text: str, contract: str
) -> None:
    others = {
        "domain/rules/caps.py": "",
        "harnesses/script.py": "",
        "models/anthropic.py": "",
        "stores/memory.py": "",
        "tools/call.py": "import leadhand.tools.read",
        "tools/read.py": "",
    }
    done = lint_sample(tmp_path, {**GOOD, **others, path: text})
    assert done.returncode == 1, done.stdout + done.stderr
    verdicts = [line for line in done.stdout.splitlines() if line.startswith(contract)]
    assert any("BROKEN" in line for line in verdicts), done.stdout
