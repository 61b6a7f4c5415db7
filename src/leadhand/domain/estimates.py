"""Estimates: every figure by which the runtime guesses; a better guess is a change here alone."""

import unicodedata
from statistics import median_high
from typing import Literal

from leadhand.domain.money import Price, Usage, cost

# Tokens that one turn of a worker is taken to cost until workers of its kind have settled.
TURN_INPUT = 2_000
TURN_CACHED = 8_000
TURN_OUTPUT = 400
TURNS_USUAL = 12

# Tokens that a provider adds to what it is sent, until an answer shows more.
OVERHEAD = 400
# Bytes of the notices that one admission may add by itself.
NOTICE_BYTES = 640
# The marks around a message.
MAIL_BYTES = 50
# Bytes that are new and yet so few that counting their tokens could not make a call fit.
COUNT_WORTH_BYTES = 2_000
# Bytes of a token, where a guess will do: whether a conversation is to be compacted.
BYTES_PER_TOKEN = 3
# A conversation is compacted above so many tokens, or three quarters of its model's window.
COMPACT_ABOVE = 150_000
# The window of a model that nobody knows, in tokens.
WINDOW_UNKNOWN = 128_000
# A compaction: the bytes that ask for it, and its answer.
COMPACT_BYTES = 2_048
COMPACT_OUTPUT = 4_096
# Characters of pending results that are kept where a model could not read all of them.
COMPACT_RESULTS_BRIEF = 8_000
# A report turn: its answer, and what its context may have grown by.
REPORT_OUTPUT = 4_096
REPORT_GROWTH = 1_024
# An actor whose answers have to be cut below this is told to finish: it has about a turn left.
OUTPUT_LOW = 1_024
# An answer cut below this is not worth asking for.
OUTPUT_MIN = 256
# How long a call waits for money that others have reserved (run time).
DEFER_MS = 300_000

HISTORY_MAX = 99


def text_tokens(text: str) -> int:
    """The most tokens that a text can be, whoever reads it: no token is less than one byte of it
    in UTF-8, as it stands or composed, as some tokenizers do first (U+FDFA has three bytes as it
    stands, and is eighteen letters to the tokenizer that Anthropic has published)."""
    if text.isascii():
        return len(text)
    forms: tuple[Literal["NFC", "NFKC"], ...] = ("NFC", "NFKC")
    composed = (unicodedata.normalize(form, text) for form in forms)
    return max(len(each.encode()) for each in (text, *composed))


def mail_tokens(sender: str, kind: str, text: str) -> int:
    """The most tokens that a message can be once it stands between its marks, in which whatever
    looks like a mark is escaped by three letters more."""
    marks = MAIL_BYTES + 3 * text.count("<")
    return text_tokens(text) + text_tokens(sender) + text_tokens(kind) + marks


def worker(price: Price, turns_max: int, history: list[int]) -> int:
    """What a worker will cost, in nano-dollars: the median of settled ones of its agent and
    model, else the table above for at most turns_max turns."""
    if history:
        return median_high(history)
    turn = Usage(TURN_INPUT, TURN_OUTPUT, TURN_CACHED)
    return min(turns_max, TURNS_USUAL) * cost(price, turn)
