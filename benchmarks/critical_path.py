"""Critical path: how much longer a run takes than the model calls that must follow one another.

A lead starts 200 workers in one turn, waits for all in the next and reports in a third; each
worker takes ten turns, all but the last with a tool call. The server, a process of its own, waits
the latency before each answer. The path is the lead's first turn, a worker's ten and the lead's
report: twelve latencies; the lead's turn that waits runs beside the workers'.

The time is that of the whole run, from before its folder is made until its summary is written.
Beside it bare aiohttp, which sends the same requests in the same order and only reads what comes:
what of the overhead is the machine's and not ours.
"""

import asyncio
import sys
import time

from _http import MODEL, WORKER, Heard, a_run_over, bare
from _playback import Play, answers, playing
from _run import lead_turns
from _table import against, show

from leadhand.domain.ids import ROOT
from leadhand.engine.conductor import rare_collections
from leadhand.testing.step import Step

WORKERS, TURNS = 200, 10
PATH = TURNS + 2
AIMS = {1.0: 1.03, 0.05: None}
TIMES = 3
WORDS = "The next file to look at is the one that the last result names. " * 4

Numbers = tuple[float, float]


def worker_turns() -> list[Step]:
    """Read a small file nine times, then a word."""
    reading = Step(text=WORDS, calls=(("Read", {"file_path": "note.txt"}),))
    return [*[reading] * (TURNS - 1), Step(text=WORDS)]


async def run(heard: Heard) -> Numbers:
    """Seconds, and seconds of processor, of a whole run."""
    began = time.perf_counter(), time.process_time()
    async with a_run_over(heard) as live:
        assert await live.go()
        cost = time.perf_counter() - began[0], time.process_time() - began[1]
        assert live.engine.run.status == "succeeded"
        assert len(live.engine.run.records) == WORKERS + 1
    return cost


async def requests_alone(url: str, bodies: dict[str, list[bytes]]) -> Numbers:
    """The same of bare aiohttp with the same requests."""
    lead, worker = bodies[ROOT], bodies[WORKER]
    assert (len(lead), len(worker)) == (3, TURNS)
    async with bare(url) as client:
        began = time.perf_counter(), time.process_time()
        with rare_collections():
            await client.ask(ROOT, lead[:1])
            workers = [client.ask(WORKER, worker) for _ in range(WORKERS)]
            await asyncio.gather(client.ask(ROOT, lead[1:2]), *workers)
            await client.ask(ROOT, lead[2:])
        return time.perf_counter() - began[0], time.process_time() - began[1]


async def compare(url: str) -> tuple[Numbers, Numbers]:
    """A run's numbers and those of bare aiohttp, one after the other."""
    heard = Heard(url)
    return await run(heard), await requests_alone(url, heard.bodies)


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else TIMES
    lead, workers = answers(MODEL, lead_turns(WORKERS)), answers(MODEL, worker_turns())
    rows = []
    for latency, aim in AIMS.items():
        with playing(Play(workers, lead=lead, latency_secs=latency)) as player:
            found = [asyncio.run(compare(player.url)) for _ in range(times)]
        (ours, processor), (least, _) = (min(each) for each in zip(*found, strict=True))
        ratio, calls = ours / (PATH * latency), WORKERS * TURNS + 3
        rows.append(
            (
                f"{latency * 1000:,.0f} ms",
                f"{PATH * latency:.2f}",
                f"{ours:.2f}",
                f"{ratio:.3f}",
                f"{least / (PATH * latency):.3f}",
                f"{processor / calls * 1000:.2f}",
                "" if aim is None else against(ratio - 1, aim - 1),
            )
        )
    header = ("latency", "path secs", "run secs", "run/path", "bare/path", "CPU ms a turn")
    show(
        f"{WORKERS} workers of {TURNS} turns over HTTP (best of {times})",
        (*header, "overhead, aim 0.03"),
        rows,
    )


if __name__ == "__main__":
    main()
