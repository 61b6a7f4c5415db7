"""Answers: the table of everything that a provider can answer, and what becomes of the actor, over
HTTP and in each dialect."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from leadhand.domain import events as e
from leadhand.domain.ids import ROOT, ActorId
from leadhand.domain.rules.answer import CUTS_MAX
from leadhand.model import Model, Request
from leadhand.models.http import Http, Limits
from leadhand.models.scripted import Reply
from leadhand.session import RETRIES_MAX
from leadhand.testing.script import done, prompt
from leadhand.testing.step import Step
from tests.gateway.kit import manifest, owned, served, spawning
from tests.models.kit import DIALECTS, Dialect
from tests.seeds.kit import Ended

pytestmark = pytest.mark.slow

QUICK = Limits(connect_secs=5, first_byte_secs=1.5, silence_secs=0.8, total_secs=20)
LONG = "word " * 200
SOON = {"retry-after": "0.1"}
DONE = Step(text="Done.")
TRIES = 1 + RETRIES_MAX


class Fault(NamedTuple):
    """What is answered, one after another and the last again, and the stated course.

    asked: how many requests leave. cut: in why its calls were cut; billed: whether those count
    whole. final: its last words.
    """

    steps: tuple[Step, ...]
    status: str
    asked: int
    error: str = ""
    cut: str = ""
    billed: bool = False
    final: str = "Done."
    result: str = ""


def failed(asked: int, error: str, **more: Any) -> dict[str, Any]:
    return {"status": "Failed", "asked": asked, "error": error, "final": "", **more}


def passed(asked: int = 2, **more: Any) -> dict[str, Any]:
    return {"status": "Success", "asked": asked, **more}


def refused(status: int, **more: Any) -> Step:
    return Step(status=status, text="because", **more)


COURSES: dict[str, Fault] = {
    # Passes by itself: waited out by the one pace, with the same reservation.
    "429": Fault((refused(429, headers=SOON), DONE), **passed()),
    "529": Fault((refused(529, headers=SOON), DONE), **passed()),
    "503": Fault((refused(503, headers=SOON), DONE), **passed()),
    # May pass: tried again after a while, a few times.
    "500": Fault((refused(500), DONE), **passed(cut="HTTP 500: because")),
    "500 for ever": Fault((refused(500),), **failed(TRIES, "HTTP 500", cut="HTTP 500")),
    "502": Fault((Step(status=502, body="<html>"), DONE), **passed(cut="HTTP 502", billed=True)),
    "504": Fault((refused(504), DONE), **passed(cut="HTTP 504", billed=True)),
    "cut": Fault((Step(text=LONG, drop_after=3), DONE), **passed(cut="not", billed=True)),
    "cut for ever": Fault(
        (Step(text=LONG, drop_after=3),), **failed(TRIES, "not complete", cut="not", billed=True)
    ),
    "silent": Fault(
        (Step(text=LONG, silent_after=3), DONE), **passed(cut="its next word", billed=True)
    ),
    "slow": Fault(
        (Step(text="Late.", delay_secs=9), DONE), **passed(cut="its first byte", billed=True)
    ),
    "garbage": Fault(
        (Step(text=LONG, garbage='data: {"type": 7\n\n'), DONE),
        **passed(cut="cannot be read", billed=True),
    ),
    # Never passes: fails at once.
    "400": Fault((refused(400),), **failed(1, "HTTP 400: because", cut="HTTP 400")),
    "401": Fault((refused(401),), **failed(1, "HTTP 401: because", cut="HTTP 401")),
    "403": Fault((refused(403),), **failed(1, "HTTP 403: because", cut="HTTP 403")),
    "404": Fault((refused(404),), **failed(1, "HTTP 404: because", cut="HTTP 404")),
    "413 at once": Fault((refused(413),), **failed(1, "HTTP 413: because", cut="HTTP 413")),
    "page": Fault(
        (Step(text="Sign in", headers={"Content-Type": "text/html"}),),
        **failed(1, "text/html", cut="text/html", billed=True),
    ),
    # The model's own: it is told, and goes on.
    "invalid JSON": Fault(
        (Step(calls=(("Glob", '{"pattern": "*'),)), DONE), **passed(result="not a JSON object")
    ),
    "no object": Fault(
        (Step(calls=(("Glob", '["*"]'),)), DONE), **passed(result="not a JSON object")
    ),
    "unknown tool": Fault(
        (Step(calls=(("Nonsense", {}),)), DONE), **passed(result="there is no tool Nonsense")
    ),
    "wrong arguments": Fault(
        (Step(calls=(("Glob", {"patern": "*"}),)), DONE), **passed(result="patern")
    ),
    "empty": Fault((Step(), DONE), **passed()),
    "empty for ever": Fault((Step(),), **failed(2, "the model gave an empty answer")),
    "only thoughts": Fault((Step(thinking="Hm."), DONE), **passed()),
    "refusal": Fault(
        (Step(text="I will not.", stop_reason="refusal"),),
        **failed(1, "the model refused to answer", final="I will not."),
    ),
    "max_tokens": Fault(
        (Step(text="One and ", stop_reason="max_tokens"), Step(text="two.")),
        **passed(final="One and two."),
    ),
    "max_tokens for ever": Fault(
        (Step(text="more ", stop_reason="max_tokens"),),
        **failed(1 + CUTS_MAX, "cut at max_tokens", final=("more " * (1 + CUTS_MAX)).strip()),
    ),
    "max_tokens before a word": Fault(
        (Step(thinking="Hm.", stop_reason="max_tokens"), DONE), **passed()
    ),
    "max_tokens in a call": Fault(
        (Step(calls=(("Glob", '{"pattern": "'),), stop_reason="max_tokens"), DONE),
        **passed(result="not a JSON object"),
    ),
    "no usage": Fault((Step(text="Done.", no_usage=True),), **passed(1)),
}
NAMES = tuple(COURSES)


class Provider:
    """Answers each worker by the fault that its prompt names. seen: requests by fault, results:
    what its tools gave."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.results: dict[str, str] = {}

    def answer(self, request: Request) -> Reply:
        if request.actor_id == ROOT:
            return spawning(request, [{"prompt": each, "label": each} for each in NAMES], "partial")
        # An answer without a word leaves nothing between the prompt and what is told next.
        name = prompt(request).splitlines()[0]
        steps = COURSES[name].steps
        for each in done(request):
            self.results[name] = each.text if each.is_error else ""
        self.seen[name] += 1
        return steps[min(self.seen[name], len(steps)) - 1]


class Played(NamedTuple):
    """The run in which every fault was met, each by a worker of its own."""

    ended: Ended
    provider: Provider

    def worker(self, name: str) -> ActorId:
        return ActorId(f"root/W{NAMES.index(name) + 1}")


@pytest.fixture(scope="module", params=DIALECTS.values(), ids=[*DIALECTS])
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    dialect: Dialect = request.param
    base, provider = tmp_path_factory.mktemp("played"), Provider()
    with served(provider.answer) as server:
        model = dialect.make(Http(QUICK), server.url)

        def models(name: str) -> Model:
            return model

        asked = manifest(base, model=dialect.name)
        yield Played(owned(base, asked, server, models=models), provider)


@pytest.mark.parametrize("name", NAMES)
def test_each_fault_has_its_course(played: Played, name: str) -> None:
    fault, worker = COURSES[name], played.worker(name)
    record = played.ended.run.records[worker]
    assert record.label == name
    assert record.status == fault.status, record.error
    assert fault.error in record.error
    assert played.provider.seen[name] == fault.asked
    (settled,) = [each for each in played.ended.all(e.ActorSettled) if each.actor == worker]
    assert settled.final == fault.final
    cuts = [each for each in played.ended.all(e.CallCut) if each.actor == worker]
    assert all(fault.cut in each.why for each in cuts), cuts
    assert len(cuts) == (0 if not fault.cut else fault.asked - (fault.status == "Success"))
    assert all((each.charged > 0) == fault.billed for each in cuts)
    assert fault.result in played.provider.results.get(name, "")


def test_the_lead_lives_through_all_of_it(played: Played) -> None:
    assert played.ended.run.records[ROOT].status == "Success"
    assert played.ended.run.status == "partial"
    assert set(played.provider.seen) == set(NAMES)
