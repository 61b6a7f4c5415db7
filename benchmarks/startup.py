"""Startup: how soon the command line answers, and how soon a dispatch asks its first model.

Each line is measured several times, the lines taking turns; the aim is held against the best,
since whatever else runs on the machine only adds.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from _run import REPORT
from _table import against, show

TIMES = 15
HELP_SECS, FIRST_REQUEST_SECS = 0.15, 0.5

MANIFEST = """
[run]
max_workers = 4
budget_usd = 1.00
[defaults]
model = "script:model.py:reply"
[[lead]]
id = "bench"
prompt = "Report."
"""
MODEL = f"""
import os, time

def reply(request):
    with open(os.environ["BENCH_ASKED"], "w") as file:
        file.write(str(time.time()))
    return {REPORT!r}
"""


def program() -> list[str]:
    """The installed command where there is one beside this Python, else the module."""
    script = Path(sys.executable).parent / "leadhand"
    return [str(script)] if script.is_file() else [sys.executable, "-m", "leadhand"]


def took(*command: str) -> float:
    """Seconds until a command has ended."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def first_request(folder: Path) -> float:
    """Seconds from the start of a dispatch until its model is asked."""
    asked = folder / "asked"
    asked.unlink(missing_ok=True)
    command = [*program(), "dispatch", str(folder / "manifest.toml"), "--quiet"]
    command += ["--run-dir", str(folder / "runs")]
    began = time.time()
    subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "BENCH_ASKED": str(asked)}
    )
    return float(asked.read_text()) - began


def main() -> None:
    if importlib.util.find_spec("leadhand.cli") is None:
        print("skipped: there is no leadhand.cli yet")
        return
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as name:
        folder = Path(name)
        (folder / "manifest.toml").write_text(MANIFEST)
        (folder / "model.py").write_text(MODEL)
        lines: dict[str, tuple[float | None, Callable[[], float]]] = {
            "python -c pass": (None, lambda: took(sys.executable, "-c", "pass")),
            "leadhand --version": (HELP_SECS, lambda: took(*program(), "--version")),
            "leadhand --help": (HELP_SECS, lambda: took(*program(), "--help")),
            "dispatch to first request": (FIRST_REQUEST_SECS, lambda: first_request(folder)),
        }
        secs: dict[str, list[float]] = {line: [] for line in lines}
        for _ in range(TIMES):
            for line, (_, measure) in lines.items():
                secs[line].append(measure())
    rows = []
    for line, (aim, _) in lines.items():
        told = ("", "") if aim is None else (f"{aim:.2f}", against(min(secs[line]), aim))
        rows.append((line, f"{min(secs[line]):.3f}", f"{median(secs[line]):.3f}", *told))
    show(
        f"Seconds, of {TIMES} times each ({' '.join(program())})",
        ("", "best", "median", "aim", "best against aim"),
        rows,
    )


if __name__ == "__main__":
    main()
