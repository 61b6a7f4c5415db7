"""Effects of import: there are none. Nothing is opened, started or loaded in advance."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import modules

pytestmark = pytest.mark.slow

# Runs in a fresh interpreter: argv is the names to import, the answer is JSON on stdout.
PROBE = r"""
import _thread, importlib, json, sys

STARTS = ("_thread.start_joinable_thread", "_thread.start_new_thread", "os.fork", "os.posix_spawn",
          "os.system", "socket.bind", "socket.connect", "sqlite3.connect", "subprocess.Popen")
CHANGES = ("os.chdir", "os.link", "os.mkdir", "os.putenv", "os.remove", "os.rename", "os.symlink",
           "signal.signal")
deeds = []

def watch(event, args):
    if event in STARTS or event in CHANGES:
        deeds.append(f"{event} {args!r}")
    elif event == "open" and isinstance(args[2], int) and args[2] & 3:
        deeds.append(f"open for writing {args[0]!r}")

# Python 3.11 has no audit event for a thread.
start_new_thread = _thread.start_new_thread

def start(*args, **kwargs):
    deeds.append("_thread.start_new_thread")
    return start_new_thread(*args, **kwargs)

_thread.start_new_thread = start
sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
json.dump({"deeds": deeds, "loaded": sorted(sys.modules)}, sys.stdout)
"""

HEAVY_FOR_DOMAIN = {
    "aiohttp", "asyncio", "click", "logging", "mcp", "rich", "socket", "sqlite3", "subprocess",
    "textual", "threading",
}  # fmt: skip
HEAVY_FOR_CLI = {"aiohttp", "anthropic", "asyncio", "mcp", "rich", "sqlite3", "textual"}


def probe(names: list[str], folder: Path | None = None) -> tuple[list[str], set[str]]:
    """What importing these modules does, and what it loads."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROBE, *names],
        capture_output=True,
        check=False,
        cwd=folder,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["deeds"], set(answer["loaded"])


def names(prefix: str) -> list[str]:
    """The package's importable modules whose name begins so, `__main__` left out."""
    every = [module.name for module in modules()]
    return [name for name in every if name.startswith(prefix) and not name.endswith("__main__")]


def test_importing_any_module_does_nothing() -> None:
    deeds, _ = probe(names("leadhand"))
    assert deeds == []


def test_importing_the_domain_loads_nothing_heavy() -> None:
    deeds, loaded = probe(names("leadhand.domain"))
    assert deeds == []
    assert loaded & HEAVY_FOR_DOMAIN == set()


def test_importing_the_cli_loads_nothing_heavy() -> None:
    _, loaded = probe(["leadhand.cli"])
    assert loaded & HEAVY_FOR_CLI == set()


@pytest.mark.parametrize(
    "text",
    [
        "open('left.txt', 'w').close()",
        "import threading; threading.Thread(target=len, args=([],)).start()",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.environ['LEADHAND'] = '1'",
    ],
)
def test_an_effect_of_an_import_is_caught(text: str, tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text(text)
    deeds, _ = probe(["sample"], tmp_path)
    assert deeds


def test_a_heavy_import_is_caught(tmp_path: Path) -> None:
    (tmp_path / "sample.py").write_text("import asyncio")
    deeds, loaded = probe(["sample"], tmp_path)
    assert deeds == []
    assert "asyncio" in loaded
