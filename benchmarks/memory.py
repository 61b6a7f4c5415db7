"""Memory: what a worker costs while it waits in a model call, and a lead's wait for a worker.

- in process: the model is a function. Measured twice, each in a process of its own: the growth of
  its resident memory, and what Python itself allocated (tracemalloc, whose books would weigh on
  the first).
- in an open request: the model is a server in another process that never answers, asked plain and
  over TLS, whose certificate the openssl command makes. What the worker itself takes is in it.
- the connection alone: bare aiohttp with as many open requests, as it comes: its TLS has a
  buffer of 256 KiB for each.
"""

import asyncio
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from _http import MODEL as HTTP_MODEL
from _http import Heard, a_run_over, bare
from _playback import Play, Player, playing
from _run import MODEL, a_run, is_lead, said, spawn
from _table import against, show

from leadhand import wiring
from leadhand.domain.ids import ROOT
from leadhand.model import Request
from leadhand.models.scripted import Reply
from leadhand.wiring import LiveRun

COUNTS = (200, 1_000)
# An actor, and its open request on top: plain, and with the TLS buffer at 16 KiB.
ACTOR_KIB, PLAIN_KIB, TLS_KIB = 40.0, 17.0, 77.0
FILES = 10_000
STATM = Path("/proc/self/statm")
BODY = b'{"model":"claude-haiku-4-5","stream":true,"messages":[]}'


class Waiting:
    """The script: workers wait for an answer that never comes; so does the lead, until it is
    let go, and waits for all workers then."""

    def __init__(self, count: int) -> None:
        self.count, self.waiting = count, 0
        self.lead_may_go = asyncio.Event()

    async def reply(self, request: Request) -> Reply:
        """Wait."""
        if is_lead(request.actor_id):
            await self.lead_may_go.wait()
            ids = [f"root/W{number + 1}" for number in range(self.count)]
            return said("Waiting.", *(("wait_actor", {"worker_id": each}) for each in ids))
        self.waiting += 1
        await asyncio.Event().wait()
        return said("Never.")


def resident() -> float:
    """Bytes of memory that the system has given to this process."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def traced() -> float:
    """Bytes that Python has allocated and not freed."""
    return tracemalloc.get_traced_memory()[0]


async def until(true: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 (a benchmark may look, and what it waits for has no event)
            await asyncio.sleep(0.02)


def unpaced(live: LiveRun, model: str) -> None:
    """Let everybody ask at once: of a provider that never answers, only the first few hundred
    would."""
    wiring.governor().lane(live.models(model).lane(model)).limit = 1e6


async def settled_down(used: Callable[[], float]) -> float:
    """What is used once all is quiet."""
    await asyncio.sleep(0.2)
    gc.collect()
    return used()


async def in_process(count: int, used: Callable[[], float]) -> tuple[float, float]:
    """Bytes of a worker in a model call, and of a lead's open wait."""
    script = Waiting(count)
    async with a_run(script.reply) as live:
        unpaced(live, MODEL)
        running = asyncio.create_task(live.go())
        root = live.engine.run.actors
        await until(lambda: any(each.call for each in root.values()))
        before = await settled_down(used)
        await spawn(live, count)
        await until(lambda: script.waiting == count)
        working = await settled_down(used)
        script.lead_may_go.set()
        await until(lambda: any(len(each.waits) == count for each in root.values()))
        waiting = await settled_down(used)
        live.conductor().suspend()
        await running
    return (working - before) / count, (waiting - working) / count


async def in_request(count: int, player: Player) -> float:
    """Bytes of a worker in an open request."""
    async with a_run_over(Heard(player.url)) as live:
        unpaced(live, HTTP_MODEL)
        running = asyncio.create_task(live.go())
        await until(lambda: player.asked() == 1)
        before = await settled_down(resident)
        await spawn(live, count)
        await until(lambda: player.asked() == count + 1)
        grown = await settled_down(resident) - before
        live.conductor().suspend()
        await running
    return grown / count


async def connection(count: int, player: Player) -> float:
    """Bytes of an open request of bare aiohttp."""
    async with bare(player.url) as client:
        asking = [asyncio.create_task(client.ask(ROOT, [BODY]))]
        await until(lambda: player.asked() == 1)
        before = await settled_down(resident)
        asking += [asyncio.create_task(client.ask(ROOT, [BODY])) for _ in range(count)]
        await until(lambda: player.asked() == count + 1)
        grown = await settled_down(resident) - before
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    return grown / count


def more_files() -> None:
    """Let this process and its children have a socket for every worker."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def measure(kind: str, count: int, cert: str) -> list[float]:
    """KiB of each, in the process that this is."""
    if kind in ("resident", "traced"):
        if kind == "traced":
            tracemalloc.start()
        used = traced if kind == "traced" else resident
        return [each / 1024 for each in asyncio.run(in_process(count, used))]
    more_files()
    with playing(Play([], cert=cert)) as player:
        deed = in_request if kind == "request" else connection
        return [asyncio.run(deed(count, player)) / 1024]


def measured(kind: str, count: int, cert: Path | None = None) -> list[float]:
    """What a process of its own measures. cert: the server's, for TLS."""
    command = [sys.executable, __file__, kind, str(count), str(cert or "")]
    # It is trusted as an operator would have a certificate of his own trusted.
    environ = {**os.environ, "SSL_CERT_FILE": str(cert)} if cert else None
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environ)
    numbers: list[float] = json.loads(found.stdout)
    return numbers


def certificate(folder: Path) -> Path:
    """A key and a certificate of 127.0.0.1, signed by itself, in one file."""
    path = folder / "server.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    options = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    options += ["-keyout", str(path), "-out", str(folder / "cert.pem")]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (folder / "cert.pem").read_bytes())
    return path


def show_in_process(kinds: dict[str, str]) -> None:
    """The table of models in the process."""
    rows = []
    for name, kind in kinds.items():
        for count in COUNTS:
            worker, wait = measured(kind, count)
            aim = against(worker, ACTOR_KIB)
            rows.append((name, f"{count:,}", f"{worker:.1f}", aim, f"{wait:.1f}"))
    aim = f"aim {ACTOR_KIB:.0f} KiB"
    header = ("KiB each", "workers", "worker in a model call", aim, "lead's open wait")
    show("Workers of one run, all waiting, the model in the process", header, rows)


def show_in_request(cert: Path | None) -> None:
    """The table of models over HTTP."""
    rows = []
    for name, path, request_kib in (("plain", None, PLAIN_KIB), ("TLS", cert, TLS_KIB)):
        if name == "TLS" and path is None:
            print("TLS skipped: there is no openssl command to make a certificate")
            continue
        for count in COUNTS:
            (alone,) = measured("connection", count, path)
            (whole,) = measured("request", count, path)
            aim = ACTOR_KIB + request_kib
            cells = (f"{whole:.1f}", f"{aim:.0f}", against(whole, aim), f"{alone:.1f}")
            rows.append((name, f"{count:,}", *cells))
    header = ("KiB each (RSS)", "workers", "worker in a request", "aim", "against aim")
    header += ("bare aiohttp's request",)
    show("Workers of one run, all waiting in an open request", header, rows)


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
        return
    if not STATM.is_file():
        print("RSS skipped: this system has no /proc/self/statm")
        show_in_process({"allocated by Python": "traced"})
        return
    show_in_process({"resident memory (RSS)": "resident", "allocated by Python": "traced"})
    with tempfile.TemporaryDirectory(prefix="leadhand-bench-") as folder:
        show_in_request(certificate(Path(folder)) if shutil.which("openssl") else None)


if __name__ == "__main__":
    main()
