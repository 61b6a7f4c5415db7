"""Dialogue: each word of an actor is told once, whenever somebody looks, and harms no terminal."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhand.domain import events as e
from leadhand.domain.ids import ActorId, CallId
from leadhand.model import Block, Prose, ToolUse
from leadhand.views.dialogue import Dialogue, Part, brief, missing
from tests.views.kit import ESCAPES, at

W1 = ActorId("root/W1")
WORDS = "Let me look.\n\nI see a file."


def answer(*texts: str) -> str:
    """An answer of these blocks of words, as the log has it."""
    blocks: list[Block] = [Prose(text) for text in texts]
    return msgspec.json.encode(blocks).decode()


def begun(dialogue: Dialogue) -> Dialogue:
    """Let the actor's next turn begin."""
    assert dialogue.add(at(), e.CallAdmitted(W1)) == []
    return dialogue


def recorded(dialogue: Dialogue, *texts: str, **given: object) -> list[Part]:
    """What is told when the turn's answer is recorded."""
    return dialogue.add(at(), e.TurnRecorded(W1, answer=answer(*texts), **given))  # type: ignore[arg-type]


def words(parts: list[Part]) -> str:
    """The words of the actor in these parts, without space."""
    said = [part.body for part in parts if part.goes_on or part.title == "says"]
    return "".join("".join(said).split())


def test_a_turn_that_nobody_heard_is_told_from_its_record() -> None:
    [part] = recorded(begun(Dialogue()), WORDS)
    assert (part.title, part.body, part.open) == ("says", WORDS, False)


def test_words_are_told_as_they_come_and_the_record_adds_what_was_missing() -> None:
    dialogue = begun(Dialogue())
    assert dialogue.hear("Let me", 1) == Part(1, "says", "Let me", open=True)
    assert dialogue.hear("Let me", 2) is None
    assert dialogue.hear("Let me look.\n", 3) == Part(3, body=" look.", goes_on=True, open=True)
    [rest] = recorded(dialogue, WORDS)
    assert (rest.body, rest.goes_on, rest.open) == ("\n\nI see a file.", True, False)


def test_a_turn_that_was_heard_whole_is_not_told_again() -> None:
    dialogue = begun(Dialogue())
    dialogue.hear(WORDS, 1)
    assert [part.body for part in recorded(dialogue, WORDS)] == [""]


def test_the_break_between_two_blocks_which_is_not_streamed_makes_no_other_words() -> None:
    dialogue = begun(Dialogue())
    dialogue.hear("One.Two. Th", 1)
    [rest] = recorded(dialogue, "One.", "Two. Three.")
    assert (rest.body, rest.goes_on) == ("ree.", True)


def test_what_a_file_still_holds_of_the_turn_before_is_not_heard() -> None:
    dialogue = begun(Dialogue())
    recorded(dialogue, WORDS)
    assert dialogue.hear(WORDS, 1) is None
    begun(dialogue)
    assert dialogue.hear(WORDS, 2) is None
    assert dialogue.hear(WORDS[:6], 3) is None
    recorded(dialogue)
    assert begun(dialogue).hear(WORDS, 4) is None


def test_a_turn_that_begins_as_the_one_before_is_told_whole() -> None:
    dialogue = begun(Dialogue())
    recorded(dialogue, "OK.")
    begun(dialogue)
    assert dialogue.hear("OK.", 1) is None
    heard = dialogue.hear("OK. Now the", 2)
    assert heard == Part(2, "says", "OK. Now the", open=True)
    assert words(recorded(dialogue, "OK. Now the rest.")) == "rest."


def test_a_turn_that_says_the_same_as_the_one_before_is_told_from_its_record() -> None:
    dialogue = begun(Dialogue())
    recorded(dialogue, "OK.")
    begun(dialogue).hear("OK.", 1)
    assert words(recorded(dialogue, "OK.")) == "OK."


def test_of_an_answer_that_was_begun_anew_only_what_differs_is_told_again() -> None:
    dialogue = begun(Dialogue())
    dialogue.hear("I will write", 1)
    [part] = recorded(dialogue, "I will read.")
    assert (part.title, part.body, part.goes_on) == ("says", "read.", False)


def test_words_of_a_call_that_was_cut_stay_and_its_end_is_told() -> None:
    dialogue = begun(Dialogue())
    dialogue.hear("I was about", 1)
    [cut] = dialogue.add(at(), e.CallCut(W1, why="cancelled"))
    assert "cancelled" in cut.title
    assert begun(dialogue).hear("I was about", 2) is None
    assert words(recorded(dialogue, "I was about to.")) == "Iwasaboutto."


def test_the_words_of_a_summary_are_no_turn() -> None:
    dialogue = Dialogue()
    dialogue.add(at(), e.CallAdmitted(W1, compacts=True))
    assert dialogue.hear("Summary", 1) is None


def test_calls_and_results_are_a_line_each() -> None:
    dialogue = begun(Dialogue())
    intents = (
        e.Intent(CallId("a"), "Read", step="Read\x1b a.txt"),
        e.Intent(CallId("b"), "Bash", step=""),
    )
    assert [part.title for part in recorded(dialogue, intents=intents)] == [
        "calls Read\ufffd a.txt",
        "calls Bash",
    ]
    [good] = dialogue.add(at(), e.ToolReturned(W1, CallId("a"), "one\ntwo " + "x" * 10_000))
    assert good.title.startswith("Read\ufffd a.txt gave: one two xxx")
    assert good.title.endswith("… (10,008 characters)")
    [bad] = dialogue.add(at(), e.ToolReturned(W1, CallId("b"), "no", is_error=True))
    assert bad.title == "Bash failed: no"
    [lost] = dialogue.add(at(), e.ToolReturned(W1, CallId("z"), "ok"))
    assert lost.title == "a tool gave: ok"


def test_what_others_say_names_them_and_is_cut() -> None:
    dialogue = Dialogue()
    [prompt] = dialogue.add(at(), e.ActorSpawned(W1, parent=ActorId("root"), prompt="a\n" * 10_000))
    assert prompt.title == "prompt from root"
    assert prompt.body.splitlines()[-1] == "… and 9,980 lines more"
    message = e.MessageSent(W1, 1, "root/W2", "peer", f"{ESCAPES} hi")
    [told] = dialogue.add(at(), message)
    assert told.title == "message from root/W2 (peer)"
    assert "\x1b" not in told.body
    assert brief("x" * 10_000) == "x" * 500 + "…"


def test_what_only_the_runtime_does_is_a_line_where_it_explains_something() -> None:
    dialogue = Dialogue()
    [waits] = dialogue.add(at(), e.WaitOpened(W1, targets=(ActorId("root/W2"),)))
    assert waits.title == "waits for W2"
    assert dialogue.add(at(), e.DeadlineNeared(W1)) == []


@pytest.mark.parametrize(
    ("final", "told"), [("Done.", ""), ("First part. Done.", ""), ("By a script.", "Byascript.")]
)
def test_the_last_words_are_not_told_again_when_the_actor_settles(final: str, told: str) -> None:
    dialogue = begun(Dialogue())
    recorded(dialogue, "Done.")
    parts = dialogue.add(at(), e.ActorSettled(W1, final=final))
    assert (words(parts), parts[-1].title) == (told, "settled as Success")


def test_the_words_of_an_actor_without_turns_are_told_when_it_settles() -> None:
    parts = Dialogue().add(at(), e.ActorSettled(W1, "Failed", "broke\x1b[2J", "So far."))
    assert words(parts) == "Sofar."
    assert parts[-1].title == "settled as Failed: broke\ufffd[2J"


def test_hostile_words_harm_no_terminal_and_are_still_told_once() -> None:
    dialogue = begun(Dialogue())
    whole = f"a{ESCAPES}b\r\nc\u2066"
    parts = [dialogue.hear(whole[:end], 1) for end in range(1, len(whole) + 1)]
    told = [part for part in parts if part] + recorded(dialogue, whole)
    body = "".join(part.body for part in told)
    assert body.count("a") == body.count("b") == body.count("c") == 1
    assert not set(body) & set("\x1b\x07\r\u202e\u2066")


@pytest.mark.parametrize(
    ("whole", "part", "left"),
    [
        ("", "", ""),
        ("abc", "", "abc"),
        ("a b\nc", "ab", "\nc"),
        ("abc", "abx", "c"),
        ("ab", "abc", ""),
        ("x", "y", "x"),
    ],
)
def test_what_is_missing_is_what_follows_the_shared_beginning(
    whole: str, part: str, left: str
) -> None:
    assert missing(whole, part) == left


TURNS = st.lists(st.text("ab \n", max_size=6), min_size=1, max_size=5)


@given(TURNS, st.integers(0, 10_000))
def test_whenever_somebody_looks_every_word_is_told_once(turns: list[str], seed: int) -> None:
    """The file is written as engine/live.py writes it: emptied after the admission, added to while
    the turn goes on, and perhaps once more when the turn is already recorded."""
    draw = random.Random(seed).random
    dialogue, parts, file, seen = Dialogue(), list[Part](), "", list[e.Event]()

    def look() -> None:
        """Read the file, then the events: words are not heard where any came in between."""
        nonlocal seen
        moved, seen = seen, []
        for event in moved:
            parts.extend(dialogue.add(at(), event))
        if not moved and (heard := dialogue.hear(file, 1)) is not None:
            parts.append(heard)

    for turn in turns:
        seen.append(e.CallAdmitted(W1))
        while draw() < 0.5:
            look()
        file, at_char = "", 0
        while at_char < len(turn) and draw() < 0.9:
            while draw() < 0.5:
                look()
            at_char = min(len(turn), at_char + 1 + int(draw() * 3))
            file = turn[:at_char]
        while draw() < 0.5:
            look()
        seen.append(e.TurnRecorded(W1, answer=answer(turn)))
        while draw() < 0.3:
            look()
        file = turn if draw() < 0.5 else file
        while draw() < 0.3:
            look()
    look()
    assert words(parts) == "".join("".join(turns).split())


def test_an_answer_with_calls_alone_says_nothing() -> None:
    blocks: list[Block] = [ToolUse("a", "Read", {})]
    event = e.TurnRecorded(W1, answer=msgspec.json.encode(blocks).decode())
    assert begun(Dialogue()).add(at(), event) == []
