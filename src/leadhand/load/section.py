"""Section: one table of a manifest, read key by key; faults are collected, not raised."""

import difflib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from leadhand.domain.money import NANO, from_usd
from leadhand.domain.text import one_line
from leadhand.errors import Fault
from leadhand.load.lines import KeyPath, Lines

Word = TypeVar("Word", bound=str)

# The most entries that an array or a table of names may have.
ENTRIES_MAX = 256
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
NAME_RULE = (
    "must begin with a letter or digit, followed by at most 63 letters, digits, dots, "
    "hyphens or underscores"
)

# A file of nonsense is not answered by a book of faults, nor searched all day for what it meant.
FAULTS_MAX = 100

_NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?")
_WHOLE, _USD = "a whole number", "an amount in US dollars"
_TEXT, _TEXTS = "a text", "an array of texts"
_SECS, _BOUNDED = "_secs", "Every wait has a bound: write its seconds"

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN_MAX = 60


class Report:
    """What was found in one manifest: faults, and warnings and notes in the same form.

    options: what the command line set instead of the text, and the words that did. environ: what
    ${...} stands for. known: the keys of each section; forms: what each key of a section may
    hold, as JSON Schema says it. tools: work tools that there are beside Leadhand's own.
    """

    def __init__(
        self,
        file: str,
        lines: Lines,
        options: Mapping[KeyPath, str],
        environ: Mapping[str, str],
        tools: Collection[str] = (),
    ) -> None:
        self.file, self.lines, self.options, self.environ = file, lines, options, environ
        self.tools = tools
        self.known: dict[str, tuple[str, ...]] = {}
        self.forms: dict[tuple[str, str], dict[str, Any]] = {}
        self._faults: list[Fault] = []
        self._warnings: list[Fault] = []
        self._notes: list[Fault] = []
        self._left_out = 0

    @property
    def full(self) -> bool:
        """Whether more faults would only be counted."""
        return len(self._faults) >= FAULTS_MAX

    @property
    def faults(self) -> list[Fault]:
        """The faults in the order of their lines."""
        found = sorted(self._faults, key=lambda fault: fault.line)
        if self._left_out:
            found.append(Fault(f"and {self._left_out} more faults", file=self.file))
        return found

    @property
    def warnings(self) -> list[Fault]:
        """The warnings in the order of their lines."""
        return sorted(self._warnings, key=lambda each: each.line)

    @property
    def notes(self) -> list[Fault]:
        """The notes in the order of their lines."""
        return sorted(self._notes, key=lambda each: each.line)

    def fault(self, key: str, line: int, message: str, mend: str = "", file: str = "") -> None:
        """Note what must be mended. file: where it is, if not in the manifest's own."""
        if self.full:
            self._left_out += 1
        else:
            place = file or self.file
            self._faults.append(Fault(message, file=place, line=line, key=key, mend=mend))

    def warn(self, key: str, line: int, message: str, file: str = "") -> None:
        """Note what may surprise."""
        self._warnings.append(Fault(message, file=file or self.file, line=line, key=key))

    def note(self, key: str, line: int, message: str, mend: str = "", file: str = "") -> None:
        """Note what a prompt may have meant otherwise."""
        if len(self._notes) < FAULTS_MAX:
            place = file or self.file
            self._notes.append(Fault(message, file=place, line=line, key=key, mend=mend))

    def fault_at(self, path: KeyPath, message: str, mend: str = "") -> None:
        """Note what must be mended at a key of the manifest."""
        file, line = self.place(path)
        self.fault(dotted(path), line, message, mend, file)

    def warn_at(self, path: KeyPath, message: str) -> None:
        """Note what may surprise at a key of the manifest."""
        file, line = self.place(path)
        self.warn(dotted(path), line, message, file)

    def given(self, path: KeyPath) -> bool:
        """Whether the text or an option gives this very key."""
        return path in self.options or self.lines.gives(path)

    def place(self, path: KeyPath) -> tuple[str, int]:
        """The option that set a key, and no line; else the file and the key's line."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.options:
                return self.options[path[:end]], 0
        return self.file, self.lines.of(path)


class Section:
    """A table, its path in the text and the name that people know it by.

    Each reader gives the value of a key, or None where the key is missing or its value has a
    fault, which is then noted.
    """

    def __init__(
        self, report: Report, values: Mapping[str, object], path: KeyPath = (), name: str = ""
    ) -> None:
        self.report, self.values, self.path, self.name = report, values, path, name

    @property
    def kind(self) -> str:
        """The name that all tables of one array share."""
        return self.name.partition("[")[0]

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def key(self, *steps: str | int) -> str:
        """The dotted name of something in this table: `agents.reviewer.tools[1]`."""
        return dotted(steps, self.name)

    def line(self, *steps: str | int) -> int:
        """The line of something in this table, else of the table."""
        return self.report.lines.of((*self.path, *steps))

    def where(self, *steps: str | int) -> str:
        """Where something in this table is given: `on line 3`, or by which option."""
        file, line = self.report.place((*self.path, *steps))
        return f"on line {line}" if file == self.report.file else f"by {file}"

    def fault(self, *steps: str | int, message: str, mend: str = "") -> None:
        """Note what must be mended here."""
        file, line = self.report.place((*self.path, *steps))
        self.report.fault(self.key(*steps), line, message, mend, file)

    def warn(self, *steps: str | int, message: str) -> None:
        """Note what may surprise here."""
        file, line = self.report.place((*self.path, *steps))
        self.report.warn(self.key(*steps), line, message, file)

    def form(self, key: str, **form: Any) -> None:
        """Note what a key may hold, as JSON Schema says it."""
        self.report.forms[self.kind, key] = form

    def whole(self, key: str, low: int, high: int) -> int | None:
        """A whole number from low to high."""
        self.form(key, type="integer", minimum=low, maximum=high)
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self._wrong((key,), _WHOLE, value)
            return None
        if low <= value <= high:
            return value
        mend = _BOUNDED if value < low and key.endswith(_SECS) else ""
        self.fault(key, message=f"must be from {low} to {high}, found {shown(value)}", mend=mend)
        return None

    def usd(self, key: str, *, free: bool = False) -> int | None:
        """An amount of US dollars, in nano-dollars; 0 only where it may be free."""
        least = {"minimum": 0} if free else {"exclusiveMinimum": 0}
        self.form(key, type="number", exclusiveMaximum=NANO, **least)
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self._wrong((key,), _USD, value)
            return None
        try:
            amount = from_usd(value)
        except ValueError:
            amount = -1
        if amount > 0 or (free and amount == 0):
            return amount
        bound = "at least 0" if free else "more than 0"
        self.fault(
            key, message=f"must be {bound} US dollars and below a billion, found {shown(value)}"
        )
        return None

    def flag(self, key: str) -> bool | None:
        """True or false."""
        self.form(key, type="boolean")
        value = self.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        self._wrong((key,), "true or false", value)
        return None

    def text(self, key: str, *, blank: bool = False) -> str | None:
        """A text; a blank one only where it may be."""
        self.form(key, type="string", **({} if blank else {"pattern": r"\S"}))
        value = self.values.get(key)
        return None if value is None else self._text(value, (key,), blank)

    def choice(self, key: str, known: Collection[Word]) -> Word | None:
        """One of the words that are known here."""
        text = self.text(key)
        self.form(key, enum=[*known])
        found = next((word for word in known if word == text), None)
        if text is not None and found is None:
            message = f"must be one of {', '.join(known)}, found {shown(text)}"
            self.fault(key, message=message, mend=self.near(text, known))
        return found

    def texts(
        self, key: str, most: int, known: Collection[str] = ()
    ) -> Iterator[tuple[int, str]] | None:
        """The texts of an array that have no fault, each with its index. known: what each is to
        be one of, which the caller judges."""
        item = {"enum": [*known]} if known else {"type": "string", "pattern": r"\S"}
        self.form(key, type="array", items=item, maxItems=most)
        values = self.values.get(key)
        if values is None:
            return None
        if not isinstance(values, list):
            self._wrong((key,), _TEXTS, values)
            return None
        if len(values) > most:
            self.fault(key, message=f"has {len(values)} entries, at most {most} are allowed")
            return None
        found = ((index, self._text(each, (key, index))) for index, each in enumerate(values))
        return ((index, text) for index, text in found if text is not None)

    def table(self, key: str) -> "Section":
        """A table inside this one; an empty one where it is missing or has a fault."""
        self.form(key, type="object")
        value = self.values.get(key)
        if value is not None and not isinstance(value, dict):
            self._wrong((key,), "a table", value)
        values = value if isinstance(value, dict) else {}
        return Section(self.report, values, (*self.path, key), self.key(key))

    def tables_of(self, key: str, most: int) -> "list[Section]":
        """The tables of an array, written as [[key]]; none where it is missing or has a fault."""
        self.form(key, type="array", maxItems=most)
        values = self.values.get(key, [])
        if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
            self._wrong((key,), f"tables, each under a header [[{key}]]", values)
            return []
        if len(values) > most:
            self.fault(key, message=f"has {len(values)} entries, at most {most} are allowed")
            return []
        return [
            Section(self.report, each, (*self.path, key, index), dotted((key, index), self.name))
            for index, each in enumerate(values)
        ]

    def tables(self, most: int) -> Iterator[tuple[str, "Section"]]:
        """The tables inside this one by name; anything else is a fault."""
        if len(self.values) > most:
            self.fault(message=f"has {len(self.values)} entries, at most {most} are allowed")
            return
        for key, value in self.values.items():
            table = self.table(key)
            if isinstance(value, dict):
                yield key, table

    def near(self, word: str, known: Collection[str]) -> str:
        """The question whether a known word was meant; empty where none is near."""
        near = "" if self.report.full else _nearest(word, known)
        return f'Did you mean "{near}"?' if near else ""

    def only(self, known: Collection[str], homes: Mapping[str, str]) -> None:
        """Note each key that is not known here.

        homes: where other keys belong, for the mend.
        """
        self.report.known[self.kind] = tuple(known)
        for key in self.values:
            if key not in known:
                mend = "" if self.report.full else _meant(key, known, homes)
                self.fault(key, message="unknown key", mend=mend)

    def _text(self, value: object, steps: tuple[str | int, ...], blank: bool = False) -> str | None:
        if not isinstance(value, str):
            self._wrong(steps, _TEXT, value)
        elif "\0" in value:
            self.fault(*steps, message="holds a NUL character")
        elif not blank and not value.strip():
            self.fault(*steps, message="must not be blank")
        else:
            return value
        return None

    def _wrong(self, steps: KeyPath, wanted: str, value: object) -> None:
        mend = ""
        if wanted in (_WHOLE, _USD) and isinstance(value, str) and _NUMBER.fullmatch(value):
            mend = f"Write it without quotes: {value}"
        elif wanted == _TEXT and isinstance(value, int | Decimal):
            mend = f'Write it in quotes: "{shown(value)}"'
        elif wanted == _TEXTS and isinstance(value, str):
            mend = f"Write it as an array: [{quoted(value)}]"
        elif wanted == _WHOLE and str(steps[-1]).endswith(_SECS) and _endless(value):
            mend = _BOUNDED
        self.fault(*steps, message=f"expected {wanted}, found {shown(value)}", mend=mend)


def dotted(steps: KeyPath, name: str = "") -> str:
    """Steps as people write them: `prices."gpt-5.1".input`, `tools[1]`."""
    for step in steps:
        if step == 0 and name == "lead":
            continue  # [[lead]] is [lead]: there is only one.
        if isinstance(step, int):
            name += f"[{step}]"
        else:
            name += "." * bool(name) + (step if _BARE.fullmatch(step) else quoted(step))
    return name


def shown(value: object) -> str:
    """A value of a manifest as a fault names it."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            # Python refuses to write out numbers of thousands of digits.
            return str(value) if value.bit_length() <= 64 else "a number of more than 64 bits"
        case Decimal():
            return one_line(str(value).lower(), _SHOWN_MAX)
        case str():
            return f"the text {quoted(value)}"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def quoted(text: str, limit: int = _SHOWN_MAX) -> str:
    """A text in quotes for a terminal: on one line, cut to a limit, nothing unprintable."""
    line = one_line(text, limit)
    return json.dumps(line, ensure_ascii=not line.isprintable())


def _endless(value: object) -> bool:
    """Whether a value may stand for a wait without an end."""
    if isinstance(value, Decimal):
        return not value.is_finite()
    return isinstance(value, str | bool)


def _nearest(word: str, known: Collection[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(word[:_SHOWN_MAX].lower(), by_lower, n=1)
    return by_lower[found[0]] if found else ""


def _meant(key: str, known: Collection[str], homes: Mapping[str, str]) -> str:
    """The mend of an unknown key."""
    if key in homes:
        return f"It belongs under {homes[key]}"
    if near := _nearest(key, known):
        return f'Did you mean "{near}"?'
    if near := _nearest(key, homes):
        return f'Did you mean "{near}", under {homes[near]}?'
    return "Known here: " + ", ".join(sorted(set(known)))
