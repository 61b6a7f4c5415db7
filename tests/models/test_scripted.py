"""Scripted: a model that is a function, or lines of JSON, loaded from a file."""

import asyncio
from pathlib import Path

import pytest

from leadhand.domain.money import Usage
from leadhand.errors import ModelError, UsageError
from leadhand.model import Answer, Message, Prose, Request, ToolUse
from leadhand.models import scripted
from leadhand.models.scripted import Reply, ScriptedModel, replies

ASKED = Request("script:x", "Be kind.", [Message("user", [Prose("Go.")])], [], 100, "root", "c1")


def answer(model: ScriptedModel, request: Request = ASKED) -> tuple[Answer, list[str]]:
    """The answer, and the words as they came."""
    said: list[str] = []
    return asyncio.run(model.answer(request, said.append)), said


def test_a_function_may_give_words_alone() -> None:
    found, said = answer(ScriptedModel(lambda request: "Hello."))
    assert found.blocks == [Prose("Hello.")]
    assert (found.stop_reason, said) == ("end_turn", ["Hello."])


def test_calls_become_tool_uses_with_ids_of_this_call() -> None:
    reply = Reply(text="Look.", calls=(("Read", {"file_path": "a"}), ("Glob", {"pattern": "*"})))
    found, _ = answer(ScriptedModel(lambda request: reply))
    assert found.stop_reason == "tool_use"
    assert found.blocks[1:] == [
        ToolUse("c1.0", "Read", {"file_path": "a"}),
        ToolUse("c1.1", "Glob", {"pattern": "*"}),
    ]


def test_a_function_may_be_a_coroutine() -> None:
    async def script(request: Request) -> str:
        return "Later."

    assert answer(ScriptedModel(script))[0].blocks == [Prose("Later.")]


def test_usage_is_counted_where_it_is_not_given_and_never_more_than_the_bytes() -> None:
    found, _ = answer(ScriptedModel(lambda request: "Hello."))
    assert 0 < found.usage.input < 500
    assert 0 < found.usage.output < 100
    given, _ = answer(ScriptedModel(lambda request: Reply(text="x", usage=Usage(7, 8))))
    assert given.usage == Usage(7, 8)


def test_replies_are_counted_by_the_answers_so_far() -> None:
    model = ScriptedModel(replies([Reply(text="one"), Reply(text="two")]))
    assert answer(model)[0].blocks == [Prose("one")]
    second = Request("m", "", [*ASKED.messages, Message("assistant", [])], [], 1, "root", "c2")
    assert answer(model, second)[0].blocks == [Prose("two")]
    third = Request("m", "", [Message("assistant", [])] * 2, [], 1, "root", "c3")
    with pytest.raises(ModelError, match="the script has 2 replies, turn 3 was asked"):
        answer(model, third)


def test_a_script_is_loaded_from_python_or_from_lines_of_json(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(request):\n    return 'from python'\n")
    (tmp_path / "m.jsonl").write_text('{"text": "from json", "calls": [["Read", {"a": 1}]]}\n\n')
    python = scripted.load(f"script:{tmp_path}/m.py:f")
    assert answer(python)[0].blocks == [Prose("from python")]
    lines = scripted.load(f"script:{tmp_path}/m.jsonl")
    assert answer(lines)[0].blocks == [Prose("from json"), ToolUse("c1.0", "Read", {"a": 1})]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("no.py:f", None, "there is no file"),
        ("m.py", "f = 1", "expected script:FILE.py:FUNCTION"),
        ("m.py:f-g", "f = 1", "expected script:FILE.py:FUNCTION"),
        ("m.py:g", "f = 1", "has no function g"),
        ("m.py:f", "f = 1", "has no function f"),
        ("m.py:f", "import nothing_like_it", "ModuleNotFoundError"),
        ("m.py:f", "def f(:", "SyntaxError"),
        ("m.txt:f", "", "expected script:FILE.py:FUNCTION or script:FILE.jsonl"),
        ("m.jsonl", '{"text": 1}', "m.jsonl:1: Expected `str`, got `int`"),
        ("m.jsonl", '{"text": "a"}\n{', "m.jsonl:2: "),
    ],
)
def test_a_wrong_script_is_refused_with_what_is_wrong(
    tmp_path: Path, name: str, content: str | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name.partition(":")[0]).write_text(content)
    with pytest.raises(UsageError) as caught:
        scripted.load(f"script:{tmp_path}/{name}")
    assert says in str(caught.value)


def test_a_name_is_made_absolute_and_other_models_left_alone(tmp_path: Path) -> None:
    assert scripted.absolute("script:m.py:f", tmp_path) == f"script:{tmp_path.resolve()}/m.py:f"
    for name in ("claude-haiku-4-5", "script:crew"):
        assert scripted.absolute(name, tmp_path) == name


def test_a_function_that_a_program_gives_is_not_looked_for_in_files() -> None:
    with pytest.raises(UsageError, match="script:crew: it is a Python function, which this proc"):
        scripted.load("script:crew")
