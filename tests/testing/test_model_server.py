"""Model server: it plays a script in the providers' dialects to anybody, and fails on demand."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from leadhand.errors import ModelError
from leadhand.model import Message, Prose, Request, ToolResult, ToolUse
from leadhand.models.scripted import Reply, Script, ScriptedModel
from leadhand.testing.model_server import ModelServer, model_server
from leadhand.testing.step import Step, from_prompt, pieces, with_script

T = TypeVar("T")

# How each dialect asks "Do it.", streaming or not.
BODIES: dict[str, dict[str, Any]] = {
    "/v1/messages?beta=true": {
        "model": "claude-haiku-4-5",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Do it."}],
    },
    "/v1/chat/completions": {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Do it."}],
    },
    "/v1/responses": {"model": "gpt-5", "input": "Do it."},
}
every_dialect = pytest.mark.parametrize("path", BODIES)
MESSAGES = "/v1/messages"


class Client:
    """Somebody who asks by hand."""

    def __init__(self, server: ModelServer, http: aiohttp.ClientSession) -> None:
        self.server, self.http = server, http

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, str]:
        url = f"{self.server.url}{path}"
        async with self.http.post(url, json=body, headers=headers) as response:
            return response.status, await response.text()

    async def get(self, path: str) -> Any:
        async with self.http.get(f"{self.server.url}{path}") as response:
            return json.loads(await response.text())


def serving(
    script: Script | str, deed: Callable[[Client], Awaitable[T]], record: Path | None = None
) -> T:
    """Do something with a server that plays this script."""
    play: Script = (lambda request: script) if isinstance(script, str | Step) else script

    async def main() -> T:
        async with (
            model_server(play, record=record) as server,
            aiohttp.ClientSession() as http,
        ):
            return await deed(Client(server, http))

    return asyncio.run(main())


def streamed(text: str) -> list[Any]:
    """The data of a stream, decoded."""
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


# Dialects


@every_dialect
def test_an_answer_comes_whole_to_who_does_not_stream(path: str) -> None:
    step = Step(text="Yes.", thinking="Hm.", calls=(("Read", {"path": "a"}),))

    async def deed(client: Client) -> tuple[int, str]:
        return await client.post(path, BODIES[path])

    status, text = serving(lambda request: step, deed)
    assert status == 200
    found = json.loads(text)
    match path:
        case "/v1/chat/completions":
            choice = found["choices"][0]
            assert choice["message"]["content"] == "Yes."
            assert choice["finish_reason"] == "tool_calls"
            [call] = choice["message"]["tool_calls"]
            assert json.loads(call["function"]["arguments"]) == {"path": "a"}
            assert found["usage"]["total_tokens"] > 0
        case "/v1/responses":
            assert [item["type"] for item in found["output"]] == [
                "reasoning",
                "message",
                "function_call",
            ]
            assert found["status"] == "completed"
        case _:
            assert [block["type"] for block in found["content"]] == ["thinking", "text", "tool_use"]
            assert found["content"][2]["input"] == {"path": "a"}
            assert (found["stop_reason"], found["usage"]["output_tokens"] > 0) == ("tool_use", True)


@every_dialect
def test_an_answer_comes_in_pieces_to_who_streams(path: str) -> None:
    async def deed(client: Client) -> tuple[int, str]:
        return await client.post(path, {**BODIES[path], "stream": True})

    _, text = serving("Many words. " * 20, deed)
    events = streamed(text)
    assert len(events) > 5
    assert str(events).count("Many words.") >= 5


def test_a_chat_stream_counts_its_tokens_only_where_that_is_asked() -> None:
    async def deed(client: Client) -> list[bool]:
        body = {**BODIES["/v1/chat/completions"], "stream": True}
        texts = [
            await client.post("/v1/chat/completions", {**body, "stream_options": options})
            for options in (None, {"include_usage": True})
        ]
        return [bool(streamed(text)[-2].get("usage")) for _, text in texts]

    assert serving("Yes.", deed) == [False, True]


def test_messages_of_the_system_may_stand_in_the_middle() -> None:
    """Claude Code sends them; some servers break on them."""

    def script(request: Request) -> str:
        words = [block.text for block in request.messages[-1].blocks if isinstance(block, Prose)]
        return f"heard {words}"

    async def deed(client: Client) -> str:
        messages = [
            {"role": "user", "content": [{"type": "text", "text": "Begin."}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Yes?"}]},
            {"role": "user", "content": "Go on."},
            {"role": "system", "content": "The user sent a new message: stop."},
        ]
        body = {**BODIES["/v1/messages?beta=true"], "messages": messages}
        return (await client.post(MESSAGES, body))[1]

    assert "heard ['Go on.', 'The user sent a new message: stop.']" in serving(script, deed)


def test_tokens_are_counted_and_models_listed() -> None:
    async def deed(client: Client) -> None:
        body = {key: BODIES["/v1/messages?beta=true"][key] for key in ("model", "messages")}
        status, text = await client.post("/v1/messages/count_tokens", body)
        assert (status, json.loads(text)["input_tokens"] > 0) == (200, True)
        status, text = await client.post("/v1/responses/input_tokens", BODIES["/v1/responses"])
        assert (status, json.loads(text)["object"]) == (200, "response.input_tokens")
        assert json.loads(text)["input_tokens"] > 0
        assert [seen.ended for seen in client.server.counts] == ["answered", "answered"]
        assert not client.server.seen
        assert (await client.get("/v1/models"))["data"][0]["id"] == "scripted"

    serving("Yes.", deed)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (f"{MESSAGES}/count_tokens", BODIES["/v1/messages?beta=true"], "max_tokens: Extra inputs"),
        (f"{MESSAGES}/count_tokens", {"messages": []}, "model: Field required"),
        (f"{MESSAGES}/count_tokens", {"model": "m", "messages": []}, "at least one message"),
        ("/v1/responses/input_tokens", {"input": "Do it.", "stream": True}, "parameter: 'stream'"),
        ("/v1/responses/input_tokens", {"input": []}, "must not be empty"),
        ("/v1/responses/input_tokens", [], "cannot read that"),
    ],
)
def test_what_a_counter_does_not_know_is_refused(path: str, body: Any, message: str) -> None:
    async def deed(client: Client) -> tuple[int, str]:
        found = await client.post(path, body)
        assert [seen.ended for seen in client.server.counts] == ["refused"]
        return found

    status, text = serving("Yes.", deed)
    assert status == 400
    assert message in text


# What a provider would refuse


CALL = {"type": "tool_use", "id": "t1", "name": "Read", "input": {}}
THOUGHT = {"type": "thinking", "thinking": "x", "signature": "forged"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "non-empty"),
        (
            {
                "messages": [
                    {"role": "user", "content": "Go."},
                    {"role": "assistant", "content": [CALL]},
                    {"role": "user", "content": "On."},
                ]
            },
            "tool_result",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "Go."},
                    {"role": "assistant", "content": [THOUGHT]},
                    {"role": "user", "content": "On."},
                ]
            },
            "signature",
        ),
        (
            {
                "system": [
                    {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
                    for _ in range(5)
                ]
            },
            "Found 5",
        ),
        ({"messages": "what?"}, "cannot read"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}, "cannot read"),
    ],
)
def test_a_conversation_that_a_provider_would_refuse_is_refused(
    change: dict[str, Any], why: str
) -> None:
    async def deed(client: Client) -> tuple[int, str]:
        return await client.post(MESSAGES, {**BODIES["/v1/messages?beta=true"], **change})

    status, text = serving("Yes.", deed)
    error = json.loads(text)["error"]
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert why in error["message"]


def test_what_is_no_json_is_refused() -> None:
    async def deed(client: Client) -> int:
        async with client.http.post(f"{client.server.url}{MESSAGES}", data=b"{") as response:
            return response.status

    assert serving("Yes.", deed) == 400


# Scripts in prompts


def request(*messages: Message) -> Request:
    """A request with this conversation."""
    return Request("m", "", list(messages), [], 100, "root", "c")


def told(*texts: str) -> Message:
    """A message of the user."""
    return Message("user", [Prose(text) for text in texts])


DONE = Message("assistant", [Prose("Done.")])
SCRIPT = with_script("Do it.", [Step(text="one"), Step(text="two", delay_secs=0.5)])


def test_the_step_is_counted_by_the_answers_since() -> None:
    assert from_prompt(request(told(SCRIPT))) == Step(text="one")
    assert from_prompt(request(told(SCRIPT), DONE, told("On."))) == Step(text="two", delay_secs=0.5)
    with pytest.raises(ModelError, match="step 3 was asked"):
        from_prompt(request(told(SCRIPT), DONE, told("On."), DONE, told("On.")))


def test_a_later_script_takes_over() -> None:
    other = with_script("And now this.", [Step(text="other")])
    assert from_prompt(request(told(SCRIPT), DONE, told("Hm.", other))).text == "other"


def test_a_script_inside_of_a_script_or_of_a_result_is_not_played() -> None:
    inner = with_script("You work.", [Step(text="inner")])
    outer = with_script("You lead.", [Step(calls=(("spawn_worker", {"prompt": inner}),)), Step()])
    first = from_prompt(request(told(outer)))
    assert first.calls == (("spawn_worker", {"prompt": inner}),)
    use = ToolUse("t", "spawn_worker", {"prompt": inner})
    back = Message("user", [ToolResult("t", inner)])
    assert from_prompt(request(told(outer), Message("assistant", [use]), back)) == Step()


@pytest.mark.parametrize(
    ("prompt", "why"),
    [
        ("Do it.", "no ```script block"),
        ("```script\nnot JSON\n```", "the script in the prompt"),
        ('```script\n[{"txet": "a"}]\n```', "txet"),
        ('```script\n{"text": "a"}\n```', "Expected `array`"),
    ],
)
def test_a_prompt_without_a_script_that_can_be_played_says_so(prompt: str, why: str) -> None:
    with pytest.raises(ModelError, match=why) as caught:
        from_prompt(request(told(prompt)))
    assert caught.value.kind == "bad_request"


def test_a_script_may_be_written_by_hand_over_many_lines() -> None:
    prompt = (
        'Go.\n```script\n[\n  {"text": "one",\n   "calls": [["Read", {"path": "a"}]]}\n]\n```\n'
    )
    assert from_prompt(request(told(prompt))).calls == (("Read", {"path": "a"}),)


def test_every_field_of_a_step_may_ride_in_a_prompt() -> None:
    step = Step(
        text="a",
        calls=(("Read", "{broken"),),
        stop_reason="max_tokens",
        thinking="b",
        status=529,
        error="c",
        body="d",
        headers={"retry-after": "3"},
        delay_secs=0.1,
        chunk_delay_secs=0.2,
        drop_after=1,
        drop_after_bytes=2,
        silent_after=3,
        garbage="e",
        figures={"output_tokens": -1},
        no_usage=True,
    )
    assert from_prompt(request(told(with_script("Go.", [step])))) == step


@every_dialect
def test_many_scripts_are_played_at_once(path: str) -> None:
    async def ask(client: Client, number: int) -> str:
        prompt = with_script("Go.", [Step(text=f"I am {number}.")])
        body = dict(BODIES[path])
        message = {"role": "user", "content": prompt}
        body["input" if path == "/v1/responses" else "messages"] = [message]
        return (await client.post(path, body))[1]

    async def deed(client: Client) -> list[str]:
        return await asyncio.gather(*(ask(client, number) for number in range(50)))

    for number, text in enumerate(serving(from_prompt, deed)):
        assert f"I am {number}." in text


def test_a_script_in_a_prompt_plays_in_process_too() -> None:
    async def main() -> str:
        model = ScriptedModel(from_prompt)
        answer = await model.answer(request(told(SCRIPT)), lambda text: None)
        return str(answer.blocks)

    assert "one" in asyncio.run(main())


# Faults


@every_dialect
def test_what_a_script_raises_is_what_a_client_gets(path: str) -> None:
    def script(request: Request) -> Reply:
        raise ModelError("busy", kind="rate_limited", retry_after_secs=2)

    async def deed(client: Client) -> tuple[int, str | None]:
        url = f"{client.server.url}{path}"
        async with client.http.post(url, json=BODIES[path]) as response:
            assert "busy" in await response.text()
            return response.status, response.headers.get("retry-after")

    assert serving(script, deed) == (429, "2")


@every_dialect
def test_a_dropped_connection_is_no_answer(path: str) -> None:
    async def deed(client: Client) -> None:
        with pytest.raises(aiohttp.ClientError):
            await client.post(path, {**BODIES[path], "stream": True})
        await client.server.until_idle()
        assert [seen.ended for seen in client.server.seen] == ["dropped"]

    serving(lambda request: Step(text="words " * 100, drop_after=3), deed)


# Records


def test_requests_are_recorded_without_keys(tmp_path: Path) -> None:
    record = tmp_path / "seen.jsonl"

    async def deed(client: Client) -> None:
        for key in ("secret one", "secret two"):
            await client.post(
                "/v1/messages?beta=true",
                BODIES["/v1/messages?beta=true"],
                **{"X-Api-Key": key, "Authorization": f"Bearer {key}", "X-Agent-Id": "w7"},
            )
        seen = client.server.seen[0]
        assert (seen.method, seen.path, seen.actor) == ("POST", "/v1/messages?beta=true", "w7")
        assert seen.ended == "answered"
        assert len(seen.digest) == 64
        assert seen.digest == client.server.seen[1].digest

    serving("Yes.", deed, record)
    text = record.read_text()
    assert len(text.splitlines()) == 2
    assert "secret" not in text
    assert json.loads(text.splitlines()[0])["headers"]["X-Api-Key"] == "[key]"


def test_a_text_is_cut_into_pieces_that_make_it_up() -> None:
    for length in (0, 1, 40, 41, 8_000, 1_000_001):
        text = "x" * length
        found = pieces(text)
        assert "".join(found) == text
        assert len(found) <= 200


# As a process


@pytest.mark.slow
def test_it_runs_as_a_process(tmp_path: Path) -> None:
    script = tmp_path / "play.py"
    script.write_text("def play(request):\n    return 'from a file'\n")
    command = [sys.executable, "-m", "leadhand.testing.model_server", "--script", f"{script}:play"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()

        async def main() -> str:
            async with aiohttp.ClientSession() as http:
                body = BODIES["/v1/messages?beta=true"]
                async with http.post(f"{url}/v1/messages", json=body) as response:
                    return await response.text()

        assert "from a file" in asyncio.run(main())
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
