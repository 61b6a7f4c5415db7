"""Compaction over http: in each dialect a server that refuses malformed conversations takes what is
left of a long one, and the model can read the whole of it."""

import re
from pathlib import Path

import pytest

from leadhand.domain import events as e
from leadhand.errors import ModelError
from leadhand.model import Request
from leadhand.models.scripted import Reply
from leadhand.testing.script import asks_summary, done, prompt, turn
from leadhand.testing.step import Step
from tests.gateway.kit import REPORT, manifest, owned, served

pytestmark = pytest.mark.slow

MODELS = ("anthropic:claude-haiku-4-5", "openai:gpt-5", "openai-chat:somebodys")
TURNS = 6
LINE = "the first line of the note\n"


def reader(request: Request) -> Reply:
    """It reads the same long note again and again, then the whole of what it has forgotten."""
    if asks_summary(request):
        return Step(thinking="What was it?", text=f"I have read the note {turn(request)} times.")
    if turn(request) < TURNS:
        return Step(thinking="Again.", text="Now.", calls=(("Read", {"file_path": "note.txt"}),))
    whole = re.search(r'the whole is at "(blob:\w+)"', prompt(request))
    assert whole is not None, prompt(request)
    for each in done(request, "Read"):
        if each.args["file_path"].startswith("blob:"):
            assert not each.is_error, each.text
            assert "[calls Read" in each.text
            assert LINE.strip() in each.text
            return Step(text=REPORT.format(status="success"))
    wanted = {"file_path": whole[1], "offset": 1, "limit": 40}
    return Step(calls=(("Read", wanted),))


@pytest.mark.parametrize("model", MODELS)
def test_a_long_conversation_is_compacted_and_its_whole_read(tmp_path: Path, model: str) -> None:
    (tmp_path / "note.txt").write_text(LINE * 300)
    with served(reader) as server:
        asked = manifest(tmp_path, model=model, lead={"compact_above_tokens": 9_000})
        ended = owned(tmp_path, asked, server)
    assert ended.run.status == "succeeded", ended.run.records
    assert len(ended.all(e.ConversationCompacted)) >= 2
    assert ended.all(e.CallCut) == []
    assert {seen.ended for seen in server.seen} == {"answered"}


@pytest.mark.parametrize("model", MODELS)
def test_a_conversation_that_the_server_finds_too_long_goes_on_briefly(
    tmp_path: Path, model: str
) -> None:
    (tmp_path / "note.txt").write_text(LINE * 300)
    refused = 0

    def small(request: Request) -> Reply:
        nonlocal refused
        if sum(len(str(message.blocks)) for message in request.messages) > 30_000:
            refused += 1
            raise ModelError("the context window is exceeded", kind="context_exceeded")
        return reader(request)

    with served(small) as server:
        ended = owned(tmp_path, manifest(tmp_path, model=model), server)
    assert ended.run.status == "succeeded", ended.run.records
    assert refused >= 1
    assert len(ended.all(e.ConversationCompacted)) >= 1
    assert {each.charged for each in ended.all(e.CallCut)} == {0}
