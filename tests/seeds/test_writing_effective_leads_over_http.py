"""Effective leads over http: the complete example of the seed, dispatched as a user does.

A server that speaks Anthropic's Messages API plays its models; its sites are real ones, which send
the five headers or do not.
"""

import asyncio
import http.client
import re
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT
from leadhand.domain.money import NANO, cost
from leadhand.domain.prices import TABLE
from leadhand.domain.state import Run
from leadhand.engine import log
from leadhand.model import Request
from leadhand.models.scripted import load_script, replied
from leadhand.stores.sqlite import SqliteStore
from leadhand.testing import Reply, prompt
from leadhand.testing.model_server import Seen, model_server
from tests.cli.kit import ROOT as REPOSITORY
from tests.cli.kit import Done, desk
from tests.seeds.kit import DATA
from tests.tools.web_kit import Answer, site

pytestmark = pytest.mark.slow

EXAMPLE = REPOSITORY / "examples" / "02_audit"
KEY = "sk-ant-a-key-that-nobody-may-keep"
ADDED = '[run]\nmax_workers = 4\nbudget_usd = 2.00\n[defaults]\nallow_hosts = ["127.0.0.1"]\n'
NAMES = (
    "Content-Security-Policy",
    "X-Frame-Options",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "Referrer-Policy",
)
# What each site sends; names in any case, and names that only look like those asked for.
STRICT = {
    "content-security-policy": "default-src 'self'; img-src https: data:",
    "X-FRAME-OPTIONS": "DENY",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer, strict-origin",
}
HALF = {
    "Content-Security-Policy-Report-Only": "default-src 'none'",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
}
# A site that has got hold of the operator's key.
BARE = {"X-Powered-By": "hand", "X-Told": KEY}


class Audit(NamedTuple):
    """A run that has ended. urls: what the lead was given; dead: that nobody answers; hops: what
    each site was asked for; asked: (actor, model, first words) of each request that the script
    played."""

    urls: list[str]
    dead: str
    sent: dict[str, dict[str, str]]
    hops: dict[str, list[str]]
    asked: list[tuple[str, str, str]]
    seen: list[Seen]
    ended: Done
    folder: Path
    run: Run
    events: Sequence[e.Event]

    @property
    def spawned(self) -> dict[str, e.ActorSpawned]:
        """The workers as they were spawned, by the URL they are for."""
        found = [each for each in self.events if isinstance(each, e.ActorSpawned)]
        return {each.label: each for each in found if each.actor != ROOT}

    @property
    def finals(self) -> dict[str, str]:
        """What each worker ended with, by its URL."""
        said = {each.actor: each.final for each in self.events if isinstance(each, e.ActorSettled)}
        return {url: said[each.actor] for url, each in self.spawned.items()}

    @property
    def checked(self) -> e.ReportChecked:
        """The comparison of the report with the log."""
        [found] = [each for each in self.events if isinstance(each, e.ReportChecked)]
        return found


def answering(headers: dict[str, str]) -> Answer:
    """A site that sends these headers, and is moved where the path says so."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/moved":
            # Nothing that comes with a redirect is a header of the page.
            raise web.HTTPFound("/here", headers={"Strict-Transport-Security": "max-age=1"})
        return web.Response(text="A page.", headers=headers)

    return answer


def really_sent(url: str) -> dict[str, str]:
    """The headers that a URL answers with, asked by another client than WebFetch."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", parts.path)
    answer = connection.getresponse()
    found = {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    return {name: found[name.lower()] for name in NAMES if name.lower() in found}


def placed(folder: Path, urls: list[str]) -> Path:
    """The example's manifest, with its directory beside it as in the repository."""
    manifest = folder / "examples" / EXAMPLE.name / "manifest.toml"
    manifest.parent.mkdir(parents=True)
    manifest.write_bytes((EXAMPLE / manifest.name).read_bytes())
    work = folder / "build" / "audit"
    work.mkdir(parents=True)
    (work / "urls.txt").write_text("".join(f"{url}\n" for url in urls))
    return manifest


async def audited(folder: Path) -> Audit:
    """Bring up the sites and the model, dispatch in a process of its own, and look at all of it."""
    script = load_script(f"script:{EXAMPLE / 'model.py'}:reply")
    asked: list[tuple[str, str, str]] = []

    async def listening(request: Request) -> Reply:
        asked.append((request.actor_id, request.model, prompt(request)[:20]))
        return await replied(script, request)

    async with AsyncExitStack() as stack:
        sites = [
            await stack.enter_async_context(site(answering(headers)))
            for headers in (STRICT, HALF, BARE)
        ]
        server = await stack.enter_async_context(model_server(listening))
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        urls = [f"{each.url}/" for each in sites] + [dead, f"{sites[1].url}/moved"]
        manifest = placed(folder, urls)
        at = stack.enter_context(desk(folder, folder / "runs"))
        environ = {"ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": KEY}
        words = ("dispatch", str(manifest), "--json")
        ended = await asyncio.to_thread(at.run, *words, env=environ)
        hops = {each.url: [request.path for request in each.seen] for each in sites}
        alive = {url: url.replace("/moved", "/here") for url in urls if url != dead}
        sent = {url: await asyncio.to_thread(really_sent, at) for url, at in alive.items()}
        store = SqliteStore(at.runs)
        run = await log.fold(store, at.latest())
        events = [each.event async for each in log.events(store, at.latest())]
        await store.close()
        return Audit(
            urls, dead, sent, hops, asked, list(server.seen), ended,
            at.runs / at.latest(), run, events,
        )  # fmt: skip


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """The run that all tests look at."""
    return asyncio.run(audited(tmp_path_factory.mktemp("audit")))


def sections(final: str) -> dict[str, list[str]]:
    """The lines below each heading of a worker's report."""
    found: dict[str, list[str]] = {}
    for line in final.splitlines():
        if re.fullmatch(r"[A-Z]+:", line):
            found[line.removesuffix(":")] = []
        else:
            list(found.values())[-1].append(line)
    return {name: [line for line in lines if line != "none"] for name, lines in found.items()}


def test_the_manifest_of_the_example_is_the_seeds_but_for_its_places_and_what_it_lacks() -> None:
    added, seed = (EXAMPLE / "manifest.toml").read_text().split("\n# ---\n\n")
    places = {"../../build/audit": "/tmp/audit-workdir", "Read urls.txt": "Read /tmp/urls.txt"}
    for ours, theirs in places.items():
        assert seed.count(ours) == 1
        seed = seed.replace(ours, theirs)
    assert seed == (DATA / "seed_leads.toml").read_text()
    lines = [line for line in added.splitlines(keepends=True) if not line.startswith(("#", "\n"))]
    assert "".join(lines) == ADDED


def test_each_worker_finds_and_misses_what_its_site_really_sends_and_does_not(
    audit: Audit,
) -> None:
    assert [len(each) for each in audit.sent.values()] == [5, 2, 0, 2]
    for url, sent in audit.sent.items():
        found = sections(audit.finals[url])
        missing = [name for name in NAMES if name not in sent]
        assert list(found) == ["FOUND", "MISSING", "RECOMMENDATION"]
        assert found["FOUND"] == [f"{name}: {sent[name]}" for name in NAMES if name in sent], url
        assert found["MISSING"] == missing, url
        assert [line.split()[1].strip(".") for line in found["RECOMMENDATION"]] == missing
        assert len(audit.finals[url].split()) < 400


def test_each_site_is_asked_once_by_a_worker_and_a_redirect_is_followed(audit: Audit) -> None:
    strict, half, bare = audit.hops.values()
    assert (strict, sorted(half), bare) == (["/"], ["/", "/here", "/moved"], ["/"])
    fetched = [each for each in audit.events if isinstance(each, e.ToolReturned)]
    [moved] = [each for each in fetched if "Redirected by: " in each.content]
    assert moved.actor == audit.spawned[audit.urls[4]].actor


def test_each_url_has_one_worker_with_the_template_and_the_parameters_of_the_prompt(
    audit: Audit,
) -> None:
    assert list(audit.spawned) == audit.urls
    template = (DATA / "seed_leads.toml").read_text().split("---\n")[1]
    for number, (url, worker) in enumerate(audit.spawned.items(), 1):
        assert worker.prompt == template.replace("[N]", str(number)).replace("[URL]", url)
        assert worker.envelope == NANO // 5
        assert worker.settings.model == "claude-sonnet-4-6"
        assert worker.settings.tools == ("WebFetch", "Read")


def test_each_worker_is_waited_for(audit: Audit) -> None:
    waits = [each for each in audit.events if isinstance(each, e.WaitOpened)]
    turns = [each for each in audit.events if isinstance(each, e.TurnRecorded)]
    asked = [
        step.step
        for each in turns
        if each.actor == ROOT
        for step in each.intents
        if step.tool == "wait_actor"
    ]
    for worker in audit.spawned.values():
        assert any(worker.actor in step for step in asked), worker.actor
    assert {target for each in waits for target in each.targets} <= set(audit.run.records)


def test_a_url_that_nobody_answers_is_in_deferred_or_failed_with_its_reason(audit: Audit) -> None:
    [missed] = audit.checked.report.deferred_or_failed
    assert missed.input == audit.dead
    assert missed.reason.startswith("it cannot be connected to")
    assert {item.input for item in audit.checked.report.completed} == set(audit.sent)


def test_the_report_has_its_four_sections_and_the_log_bears_it_out(audit: Audit) -> None:
    shown: dict[str, Any] = audit.ended.json
    assert (shown["status"], audit.ended.code, audit.ended.err) == ("partial", 1, "")
    assert (audit.checked.by, audit.checked.mismatches) == ("lead", ())
    assert audit.checked.report.status == "partial"
    assert audit.checked.report.trailing_text == ""
    for item in audit.checked.report.completed:
        assert item.result == f"It sets {len(audit.sent[item.input])} of the 5 headers."
    costs = {item.worker_id: item.usd for item in audit.checked.report.cost_summary}
    workers = [each.actor for each in audit.spawned.values()]
    assert costs == {each: round(audit.run.records[each].spent / NANO, 4) for each in workers}


def test_every_turn_was_asked_over_http_with_the_model_that_the_prompt_names(audit: Audit) -> None:
    turns = [each.actor for each in audit.events if isinstance(each, e.TurnRecorded)]
    assert sorted(turns) == sorted(actor for actor, _, _ in audit.asked)
    assert sorted(turns) == sorted(each.actor for each in audit.seen)
    assert {(each.path, each.ended) for each in audit.seen} == {("/v1/messages", "answered")}
    for actor, model, words in audit.asked:
        assert model == ("claude-haiku-4-5" if actor == ROOT else "claude-sonnet-4-6")
        assert words.startswith("Your job" if actor == ROOT else "You are worker")


def test_every_turn_costs_what_the_table_of_prices_says(audit: Audit) -> None:
    spent = 0
    for each in audit.events:
        if isinstance(each, e.TurnRecorded):
            model = "claude-haiku-4-5" if each.actor == ROOT else "claude-sonnet-4-6"
            assert each.cost == cost(TABLE[model], each.usage) > 0
            spent += each.cost
    assert audit.run.spent == spent
    for worker in audit.spawned.values():
        assert 0 < audit.run.records[worker.actor].spent < NANO // 5


def test_the_key_goes_to_the_model_and_is_nowhere_in_the_runs_folder(audit: Audit) -> None:
    assert {each.headers["x-api-key"] for each in audit.seen} == {"[key]"}
    files = [path for path in audit.folder.rglob("*") if path.is_file()]
    assert len(files) > len(audit.spawned)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    told = [each.content for each in audit.events if isinstance(each, e.ToolReturned)]
    assert any("X-Told: " in each for each in told), "a site did tell it"
