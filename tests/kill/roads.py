"""Roads: how owners reach the model: a script in their own process, or a server in another one."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent
SCRIPT = HERE / "script.py"
SOURCE = HERE.parents[1] / "src"
PATHS = f"{SOURCE}{os.pathsep}{SOURCE.parent}"
PATIENCE_SECS = 60.0
# Where the script leaves a line for each request, in the folder of its stage.
COUNTED = "counted"


class Road(Protocol):
    """A road to the model. model: its name, as the manifest has it. program: what owns runs and
    dies at a point of this road."""

    model: str
    program: str

    def environment(self) -> Mapping[str, str]:
        """What an owner needs to find it."""
        ...

    def rest(self) -> None:
        """Wait until nothing of a dead owner is under way, and check what was counted."""
        ...


class InProcess:
    """The script runs in the owner, and dies with it."""

    model = f"script:{SCRIPT}:reply"
    program = "tests.kill.program"

    def environment(self) -> Mapping[str, str]:
        """See Road."""
        return {}

    def rest(self) -> None:
        """See Road."""


IN_PROCESS = InProcess()


class OverHttp:
    """A model server plays the script in a process that outlives the owner."""

    program = "tests.kill.program_over_http"

    def __init__(self, folder: Path, provider: str) -> None:
        """folder: the stage's. provider: whose words it is to be asked in."""
        folder.mkdir(exist_ok=True)
        self.model, self.url = f"{provider}:scripted", ""
        self._counted, self._record = folder / COUNTED, folder / "record"
        self._complaints = folder / "complaints"

    def start(self, pause_secs: float = 0.02) -> None:
        """Serve, on the same port as before. pause_secs: how long it thinks."""
        port = self.url.rpartition(":")[2] or "0"
        words = ["--port", port, "--script", f"{SCRIPT}:streamed", "--record", str(self._record)]
        more = {
            "COUNTED_REQUESTS": str(self._counted),
            "SCRIPT_PAUSE": str(pause_secs),
            "PYTHONPATH": PATHS,
        }
        with self._complaints.open("ab") as complaints:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "leadhand.testing.model_server", *words],
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=os.environ | more,
                text=True,
            )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, self._complaints.read_text()

    def kill(self) -> None:
        """End the server, now."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def environment(self) -> Mapping[str, str]:
        """See Road."""
        return {"ANTHROPIC_BASE_URL": self.url, "OPENAI_BASE_URL": f"{self.url}/v1"}

    def rest(self) -> None:
        """See Road. Each request that the script has counted has ended in the server's record, and
        no other one has."""
        for _ in range(2):
            # What the owner had sent before it died is read before this.
            with urllib.request.urlopen(self.url, timeout=PATIENCE_SECS) as answer:
                answer.read()
        until = time.monotonic() + PATIENCE_SECS
        while (counted := self._calls_counted()) != (served := self._calls_served()):
            assert time.monotonic() < until, f"counted {counted}, served {served}"
            time.sleep(0.01)

    def served(self) -> list[dict[str, Any]]:
        """The requests that have ended, as the server has recorded them."""
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """End the server, which must not have complained."""
        self.kill()
        complaints = self._complaints.read_text()
        assert not complaints, complaints

    def _calls_counted(self) -> Counter[str]:
        lines = self._counted.read_text().splitlines() if self._counted.exists() else []
        return Counter(line.split()[2] for line in lines)

    def _calls_served(self) -> Counter[str]:
        return Counter(each["headers"]["X-Leadhand-Call"] for each in self.served())


@contextmanager
def over_http(
    folder: Path, provider: str = "anthropic", pause_secs: float = 0.02
) -> Iterator[OverHttp]:
    """A server that is there as long as this lasts."""
    road = OverHttp(folder, provider)
    road.start(pause_secs)
    try:
        yield road
    finally:
        road.close()


@contextmanager
def road_of(name: str, folder: Path) -> Iterator[Road]:
    """The road of a name: `in process`, or the provider whose words go over HTTP."""
    if name == "in process":
        yield IN_PROCESS
        return
    with over_http(folder, name) as road:
        yield road
