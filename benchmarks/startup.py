"""Startup: how soon the command line answers, and how soon a dispatch asks its first model.

The first request of a dispatch is measured of a scripted model, and over HTTP of a model server in
a process of its own, which records when the request came.

Each line is measured several times, the lines taking turns; the aim is held against the best,
since whatever else runs on the machine only adds.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec
from _run import REPORT
from _table import against, show

from leadhand.testing.model_server import Seen

TIMES = 15
HELP_SECS, FIRST_REQUEST_SECS = 0.15, 0.5

MANIFEST = """
[run]
max_workers = 4
budget_usd = 1.00
[defaults]
model = "{model}"
[[lead]]
id = "bench"
prompt = "Report."
"""
SCRIPT = f"""
import os, time

def reply(request):
    with open(os.environ["BENCH_ASKED"], "w") as file:
        file.write(str(time.time()))
    return {REPORT!r}

def plain(request):
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


def dispatched(folder: Path, manifest: str, environ: dict[str, str]) -> float:
    """Let a manifest be dispatched; the instant at which the command was started."""
    command = [*program(), "dispatch", str(folder / manifest), "--quiet"]
    command += ["--run-dir", str(folder / "runs")]
    began = time.time()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environ})
    return began


def first_request(folder: Path) -> float:
    """Seconds from the start of a dispatch until its scripted model is asked."""
    asked = folder / "asked"
    asked.unlink(missing_ok=True)
    began = dispatched(folder, "scripted.toml", {"BENCH_ASKED": str(asked)})
    return float(asked.read_text()) - began


def first_request_over_http(folder: Path, url: str) -> float:
    """Seconds from the start of a dispatch until a server has its first request."""
    record = folder / "record.jsonl"
    record.unlink(missing_ok=True)
    environ = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k" * 40}
    began = dispatched(folder, "http.toml", environ)
    seen = msgspec.json.decode(record.read_bytes().splitlines()[0], type=Seen)
    return seen.began_at - began


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The URL of a model server in a process of its own."""
    command = [sys.executable, "-m", "leadhand.testing.model_server"]
    command += ["--script", str(folder / "model.py:plain")]
    command += ["--record", str(folder / "record.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def measured(folder: Path, url: str) -> dict[str, tuple[float | None, list[float]]]:
    """The aim of each line and the seconds that it took each time."""
    lines: dict[str, tuple[float | None, Callable[[], float]]] = {
        "python -c pass": (None, lambda: took(sys.executable, "-c", "pass")),
        "leadhand --version": (HELP_SECS, lambda: took(*program(), "--version")),
        "leadhand --help": (HELP_SECS, lambda: took(*program(), "--help")),
        "dispatch to first request, scripted": (FIRST_REQUEST_SECS, lambda: first_request(folder)),
        "dispatch to first request, over HTTP": (
            FIRST_REQUEST_SECS,
            lambda: first_request_over_http(folder, url),
        ),
    }
    found: dict[str, tuple[float | None, list[float]]]
    found = {line: (aim, []) for line, (aim, _) in lines.items()}
    for _ in range(TIMES):
        for line, (_, measure) in lines.items():
            found[line][1].append(measure())
    return found


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as name:
        folder = Path(name)
        for kind, model in {
            "scripted": "script:model.py:reply",
            "http": "anthropic:claude-haiku-4-5",
        }.items():
            (folder / f"{kind}.toml").write_text(MANIFEST.format(model=model))
        (folder / "model.py").write_text(SCRIPT)
        with serving(folder) as url:
            found = measured(folder, url)
    rows = []
    for line, (aim, secs) in found.items():
        told = ("", "") if aim is None else (f"{aim:.2f}", against(min(secs), aim))
        rows.append((line, f"{min(secs):.3f}", f"{median(secs):.3f}", *told))
    show(
        f"Seconds, of {TIMES} times each ({' '.join(program())})",
        ("", "best", "median", "aim", "best against aim"),
        rows,
    )


if __name__ == "__main__":
    main()
