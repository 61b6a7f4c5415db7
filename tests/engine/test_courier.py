"""Courier: real sinks on loopback that fail, hang, redirect and break are told in the end, or not
at all; none holds up a run."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from leadhand.domain import commands as c
from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId, CallId
from leadhand.domain.manifest import Lead, Manifest, Notification, Settings
from leadhand.domain.money import Price
from leadhand.domain.questions import Question
from leadhand.engine.clock import SystemClock
from leadhand.engine.courier import Courier
from leadhand.engine.engine import Engine
from leadhand.folder import Folder
from leadhand.sinks import ALLOW_HOSTS
from leadhand.stores.codec import Secrets
from leadhand.stores.memory import KeptRun, Memory, MemoryStore
from leadhand.telling import Sinks
from tests.tools.web_kit import Site, site, wire

RUN = "aaaaaaaaaa"
HOOK = "LEADHAND_HOOK"
WEBHOOK = Notification("webhook", f"${{{HOOK}}}")
Deed = Callable[["Told"], Awaitable[None]]


class Told:
    """A run with sinks, and what tells them. environ: the operator's."""

    def __init__(self, folder: Path, environ: dict[str, str], *sinks: Notification) -> None:
        self.memory = Memory()
        self.memory.runs[RUN] = KeptRun("")
        self.environ, self.folder = environ, Folder(folder)
        settings = Settings(model="unit", directory="/")
        lead = Lead("lead", "Go.", settings)
        self.manifest = Manifest(lead, prices={"unit": Price()}, notifications=sinks or (WEBHOOK,))

    async def open(self, **given: Any) -> None:
        """Own the run, and tell its sinks."""
        self.engine = await Engine.open(MemoryStore(self.memory), RUN, SystemClock(), "a test")
        sinks = Sinks(self.manifest, self.environ, self.folder)
        if self.engine.run.manifest is None:
            await self.engine.submit(c.OwnRun(self.engine.epoch, "a test"))
            await self.engine.submit(c.StartRun(RUN, self.manifest))
        clean = Secrets({"PASSWORD": "hunter2hunter2"}).clean_struct
        given = {"backoff_secs": 0.02, "send_secs": 0.3} | given
        self.courier = Courier(self.engine, sinks, clean, **given)
        self.courier.start()

    async def close(self, secs: float = 3.0) -> None:
        """Let the run go."""
        await self.courier.close(secs)
        await self.engine.close()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is so."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 5
        while not true():
            assert loop.time() < deadline
            await asyncio.sleep(0.005)

    def rows(self, kind: type[e.Event]) -> list[Any]:
        """The events of a kind, as the log holds them."""
        rows = self.memory.runs[RUN].rows
        return [msgspec.json.decode(row.data, type=kind) for row in rows
                if row.kind == kind.__name__]  # fmt: skip

    @property
    def log(self) -> bytes:
        """All that the log holds."""
        return b"\n".join(row.data for row in self.memory.runs[RUN].rows)


def answering(*statuses: int | web.Response) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A sink that answers so, one after another, the last for ever."""
    left = [*statuses]

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        given = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=given) if isinstance(given, int) else given

    return answer


def environ_of(server: Site, path: str = "/hook") -> dict[str, str]:
    """An operator's environment that names a server on loopback."""
    return {HOOK: server.url + path, ALLOW_HOSTS: server.host}


async def body(request: Any) -> Any:
    """What a request said."""
    return msgspec.json.decode(await request.read())


def test_a_sink_is_told_of_a_run_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    async def life() -> None:
        async with site(answering(200)) as server:
            told = Told(tmp_path, environ_of(server))
            await told.open()
            question = Question("tool_use", "Bash", command="git push", digest="d")
            await told.engine.submit(
                c.AskApproval(ROOT, CallId("a"), question, "May\nI push?", "{}", 60)
            )
            await told.engine.submit(c.RecordExit(ROOT, "failed", "my last words", "no way"))
            await told.engine.submit(c.FinishRun())
            await told.close()
            said = [await body(request) for request in server.seen]
            assert [each["event"] for each in said] == [
                "run_dispatched",
                "approval_request",
                "run_finished",
            ]
            keys = [request.headers["Idempotency-Key"] for request in server.seen]
            assert keys == [each["id"] for each in said]
            assert keys[:1] == [f"{RUN}-2-0"]
            assert len({*keys}) == 3
            asked, ended = said[1:]
            assert asked["summary"] == "root asks for approval A1 (Bash): May I push?"
            assert (asked["severity"], asked["actor"]) == ("warning", "root")
            assert (ended["status"], ended["spent_usd"]) == ("failed", 0.0)
            assert (ended["severity"], ended["preview"]) == ("error", "my last words")
            assert ended["report"]["status"] == "failed"
            assert told.engine.run.outbox.delivered == 3

    asyncio.run(life())


def test_what_is_told_of_a_run_that_is_over_is_no_part_of_how_long_it_took(tmp_path: Path) -> None:
    async def life() -> None:
        async with site(answering(500, 200)) as server:
            told = Told(tmp_path, environ_of(server))
            await told.open(backoff_secs=0.2)
            await told.engine.submit(c.RecordExit(ROOT, "failed", "", "no way"))
            await told.engine.submit(c.FinishRun())
            over_ms = told.engine.run.run_ms
            await told.close()
            assert told.engine.run.outbox.delivered == 2
            assert told.engine.run.run_ms == over_ms

    asyncio.run(life())


def test_one_that_breaks_twice_is_told_the_same_at_the_third_time(tmp_path: Path) -> None:
    async def life() -> None:
        async with site(answering(500, 503, 200)) as server:
            told = Told(tmp_path, environ_of(server))
            await told.open()
            await told.until(lambda: told.engine.run.outbox.delivered == 1)
            await told.close()
            keys = {request.headers["Idempotency-Key"] for request in server.seen}
            assert (len(server.seen), keys) == (3, {f"{RUN}-2-0"})
            whys = [each.why for each in told.rows(e.NoticeDeferred)]
            assert whys == ["it answered 500", "it answered 503"]

    asyncio.run(life())


def test_one_that_asks_for_time_gets_it_also_from_the_next_owner(tmp_path: Path) -> None:
    async def life() -> None:
        busy = web.Response(status=429, headers={"Retry-After": "1"})
        async with site(answering(busy, 200)) as server:
            told = Told(tmp_path, environ_of(server))
            begun = time.monotonic()
            await told.open()
            await told.until(lambda: bool(told.rows(e.NoticeDeferred)))
            await told.close(0.1)
            await told.open()
            await told.until(lambda: told.engine.run.outbox.delivered == 1)
            assert time.monotonic() - begun > 0.95
            await told.close()
            assert len(server.seen) == 2

    asyncio.run(life())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (404, "it answered 404"),
        (
            web.Response(status=302, headers={"Location": "https://example.com/stolen"}),
            "it answered 302, a redirect, which is not followed",
        ),
    ],
)
def test_what_will_never_be_taken_is_dropped_with_its_reason(
    answer: int | web.Response, why: str, tmp_path: Path
) -> None:
    async def life() -> None:
        async with site(answering(answer)) as server:
            told = Told(tmp_path, environ_of(server))
            await told.open()
            await told.close()
            assert len(server.seen) == 1
            assert [each.why for each in told.rows(e.NoticeDropped)] == [why]

    asyncio.run(life())


def test_a_redirect_to_another_host_is_not_asked(tmp_path: Path) -> None:
    async def life() -> None:
        async with site(answering(200)) as other:
            away = web.Response(status=307, headers={"Location": other.url + "/x"})
            async with site(answering(away)) as server:
                environ = environ_of(server)
                environ[ALLOW_HOSTS] += f",{other.host}"
                told = Told(tmp_path, environ)
                await told.open()
                await told.close()
                assert (len(server.seen), len(other.seen)) == (1, 0)

    asyncio.run(life())


@pytest.mark.slow
def test_one_that_hangs_holds_up_neither_the_others_nor_the_end(tmp_path: Path) -> None:
    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async def life() -> None:
        async with site(hang) as server, site(answering(200)) as good:
            environ = environ_of(server) | {"LEADHAND_GOOD": good.url}
            environ[ALLOW_HOSTS] += f",{good.host}"
            told = Told(tmp_path, environ, WEBHOOK, Notification("webhook", "${LEADHAND_GOOD}"))
            await told.open(send_secs=30.0)
            await told.until(lambda: told.engine.run.outbox.delivered == 1)
            begun = time.monotonic()
            await told.close(0.5)
            assert time.monotonic() - begun < 2
            assert [*told.engine.run.outbox.pending] == ["2-0"]
            # One that hangs within its time is tried again.
            await told.open(send_secs=0.1)
            await told.until(lambda: len(told.rows(e.NoticeDeferred)) > 1)
            await told.close(0.1)
            assert told.rows(e.NoticeDeferred)[0].why == "no answer within 0.1 s"

    asyncio.run(life())


def test_one_that_closes_in_the_middle_is_told_again(tmp_path: Path) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 2")

    async def life() -> None:
        async with wire(broken) as server:
            told = Told(tmp_path, environ_of(server))
            await told.open()
            await told.until(lambda: len(told.rows(e.NoticeDeferred)) > 1)
            await told.close(0.1)
            assert len(server.seen) > 1
            assert not told.rows(e.NoticeDropped)

    asyncio.run(life())


def test_what_was_sent_and_not_recorded_is_sent_again_by_the_same_id(tmp_path: Path) -> None:
    async def life() -> None:
        got = asyncio.Event()

        async def slow(request: web.Request) -> web.Response:
            await request.read()
            got.set()
            await asyncio.sleep(0.2 if len(server.seen) == 1 else 0)
            return web.Response()

        async with site(slow) as server:
            told = Told(tmp_path, environ_of(server))
            await told.open()
            await got.wait()
            # The owner ends between the sink's hearing it and the log's.
            await told.close(0)
            assert not told.rows(e.NoticeDelivered)
            await told.open()
            await told.close()
            keys = [request.headers["Idempotency-Key"] for request in server.seen]
            assert keys == [f"{RUN}-2-0"] * 2
            # Nothing is sent a third time.
            await told.open()
            await told.close()
            assert len(server.seen) == 2

    asyncio.run(life())


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.1:9/x", "it leads to a loopback address"),
        ("https://[::1]:9/x", "it leads to a loopback address"),
        ("https://10.0.0.1/x", "it leads to a private address"),
        ("https://localhost:9/x", "it leads to "),
        ("http://example.com/x", "it does not begin with https://"),
        ("https://0x7f.1/x", "its host is no name and no address"),
    ],
)
def test_what_the_environment_does_not_name_is_not_asked(
    url: str, why: str, tmp_path: Path
) -> None:
    async def life() -> None:
        told = Told(tmp_path, {HOOK: url})
        await told.open()
        await told.until(lambda: bool(told.rows(e.NoticeDeferred) or told.rows(e.NoticeDropped)))
        await told.close(0)
        found = [*told.rows(e.NoticeDeferred), *told.rows(e.NoticeDropped)]
        assert found[0].why.startswith(why)

    asyncio.run(life())


def test_a_variable_that_is_not_set_here_is_named_and_nothing_fails(tmp_path: Path) -> None:
    async def life() -> None:
        told = Told(tmp_path, {})
        await told.open()
        await told.until(lambda: bool(told.rows(e.NoticeDeferred)))
        await told.close(0)
        assert told.rows(e.NoticeDeferred)[0].why == f"{HOOK} is not set"

    asyncio.run(life())


def test_no_secret_is_told_and_no_word_of_a_url_is_in_the_log(tmp_path: Path) -> None:
    async def life() -> None:
        async with site(answering(500, 200)) as server:
            told = Told(tmp_path, environ_of(server, "/T0KEN/very-secret"))
            await told.open()
            spawned = c.SpawnActor(ROOT, CallId("a"), "Do it.", label="x")
            [worker] = [
                each.actor
                for each in await told.engine.submit(spawned)
                if isinstance(each, e.ActorSpawned)
            ]
            hostile = "I know hunter2hunter2 <!channel>\n{}"
            await told.engine.submit(c.RecordExit(worker, "failed", hostile, hostile))
            await told.close()
            said = b"".join([await request.read() for request in server.seen])
            assert said.count(b"[secret PASSWORD]") == 2
            assert b"hunter2" not in said
            assert b"very-secret" not in told.log
            assert server.url.encode() not in told.log

    asyncio.run(life())


def test_a_log_holds_a_line_for_each_notice_and_is_private(tmp_path: Path) -> None:
    async def life() -> None:
        told = Told(
            tmp_path, {}, Notification("log"), Notification("log", path=str(tmp_path / "a/b"))
        )
        await told.open()
        await told.close()
        for path, number in ((tmp_path / "notifications.jsonl", 0), (tmp_path / "a/b", 1)):
            [line] = path.read_bytes().splitlines()
            assert msgspec.json.decode(line)["id"] == f"{RUN}-2-{number}"
            assert path.stat().st_mode & 0o77 == 0

    asyncio.run(life())


def test_a_log_that_cannot_be_written_fails_no_run(tmp_path: Path) -> None:
    async def life() -> None:
        told = Told(tmp_path, {}, Notification("log", path=str(tmp_path)))
        await told.open()
        await told.close(0.2)
        whys = [each.why for each in told.rows(e.NoticeDeferred)]
        assert whys[0] == "its file cannot be written (Is a directory)"

    asyncio.run(life())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_whatever_owners_and_sinks_do_each_notice_is_heard_and_recorded_once(
    seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)

    async def moody(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(rng.choice((0, 0, 0.01)))
        return web.Response(status=rng.choice((200, 200, 200, 429, 500)))

    async def life() -> None:
        async with site(moody) as server:
            told = Told(tmp_path, environ_of(server), WEBHOOK, Notification("log"), WEBHOOK)
            await told.open(backoff_secs=0.002)
            for number in range(12):
                await told.engine.submit(c.SpawnActor(ROOT, CallId(f"{number}"), "Do it."))
                worker = ActorId(f"root/W{number + 1}")
                outcome: c.Outcome = "failed" if rng.random() < 0.5 else "completed"
                await told.engine.submit(c.RecordExit(worker, outcome, "", "no way"))
                if rng.random() < 0.4:
                    # An owner goes at any moment, and the next one comes.
                    await asyncio.sleep(rng.choice((0, 0.002, 0.008)))
                    await told.close(0)
                    await told.open(backoff_secs=0.002)
            wanted = {
                f"{row.seq}-{sink}"
                for row in told.memory.runs[RUN].rows
                if row.kind == "RunStarted"
                or (row.kind == "ActorSettled" and b"Failed" in row.data)
                for sink in range(3)
            }
            await told.until(lambda: not told.engine.run.outbox.pending)
            await told.close()
            recorded = [each.key for each in told.rows(e.NoticeDelivered)]
            assert told.rows(e.NoticeDropped) == []
            assert sorted(recorded) == sorted(wanted)
            heard = {request.headers["Idempotency-Key"] for request in server.seen}
            lines = (tmp_path / "notifications.jsonl").read_bytes().splitlines()
            heard |= {msgspec.json.decode(line)["id"] for line in lines}
            assert heard == {f"{RUN}-{key}" for key in wanted}

    asyncio.run(life())
