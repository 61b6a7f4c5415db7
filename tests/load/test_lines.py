"""Lines: every key is found on the line where it was written."""

import tomllib

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from leadhand.load.lines import KeyPath, locate

# What a scan that looks at lines alone would take for keys, headers, quotes and comments.
HOSTILE = ["", "[run]", "[[lead]]", "key = 1", "# no comment", "'", "]", "}", ",", "a.b = {", "é"]
SCALARS = ["1", "-0.5", "true", "1979-05-27 07:32:00", "0xff", "1_000", "inf"]
NAMES = ["k{}", "{}", "a b{}", "dot.{}", "é{}", "#{}", "[{}]", "={}", "'{}", '"{}', "\\{}"]


GAPS = ["", " ", "#\n", "\n", "\n# ] , '\n", " # [\n\t"]


class Writer:
    """A valid TOML text as it is written, and the line of every key in it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[KeyPath, int] = {}
        self.names = 0

    def put(self, *choices: str) -> str:
        chosen = self.draw(st.sampled_from(choices))
        self.text += chosen
        return chosen

    def several(self, most: int, least: int = 0) -> range:
        return range(self.draw(st.integers(least, most)))

    def note(self, path: KeyPath) -> KeyPath:
        self.lines.setdefault(path, self.text.count("\n") + 1)
        return path

    def name(self) -> tuple[str, str]:
        """A new name, and one of the ways to write it."""
        self.names += 1
        name = self.draw(st.sampled_from(NAMES)).format(self.names)
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        ways = [f'"{escaped}"', f'"{escaped}"'.replace("é", "\\u00e9")]
        if "'" not in name:
            ways.append(f"'{name}'")
        if name.isalnum() and name.isascii():
            ways.append(name)
        return name, self.draw(st.sampled_from(ways))

    def pair(self, path: KeyPath, depth: int = 0) -> None:
        """A key, often dotted, and its value."""
        for number in self.several(3, least=1):
            if number:
                self.put(".", " . ")
            name, written = self.name()
            path = self.note((*path, name))
            self.put(written)
        self.put(" = ", "=", "\t=\t")
        self.value(path, depth)

    def value(self, path: KeyPath, depth: int) -> None:
        kinds = ["scalar", "text", "long", "literal"] + ["array", "table"] * (depth < 3)
        hostile = [self.draw(st.sampled_from(HOSTILE)) for _ in self.several(4)]
        match self.draw(st.sampled_from(kinds)):
            case "scalar":
                self.put(*SCALARS)
            case "text":
                self.put('"' + '\\\\ \\" '.join(hostile) + '"')
            case "long":
                self.put('"""' + '\n\\""" "" '.join(hostile))
                self.put('"""', '""""', '"""""')
            case "literal":
                self.put("'''" + "\n\\ '' ".join(hostile).rstrip("'"))
                self.put("'''", "''''", "'''''")
            case "array":
                self.array(path, depth)
            case _:
                self.put("{")
                for number in self.several(2):
                    self.put(", " if number else " ")
                    self.pair(path, depth + 1)
                self.put("}")

    def array(self, path: KeyPath, depth: int) -> None:
        self.put("[")
        for number in self.several(3):
            self.put(*GAPS)
            self.value(self.note((*path, number)), depth + 1)
            self.put(*GAPS)
            self.put(",")
        self.put(*GAPS)
        self.put("]")

    def pairs(self, path: KeyPath) -> None:
        for _ in self.several(3):
            self.put("", "\n", "  ", "#\n", "# [no] = 'header'\n")
            self.pair(path)
            self.put("\n", " # comment = 1\n", "\r\n")

    def table(self) -> None:
        """A [table], its name often of several parts."""
        parts = [self.name() for _ in self.several(3, least=1)]
        path: KeyPath = ()
        for name, _ in parts:
            path = self.note((*path, name))
        self.put(f"[{' . '.join(written for _, written in parts)}]\n")
        self.pairs(path)

    def tables(self) -> None:
        """An [[array]] of tables, some with tables of their own."""
        name, written = self.name()
        for index in self.several(3, least=1):
            path = self.note((*self.note((name,)), index))
            self.put(f"[[{written}]]\n", f"[[ {written} ]] # [x]\n")
            self.pairs(path)
            if self.draw(st.booleans()):
                below, below_written = self.name()
                self.note((*path, below))
                self.put(f"[{written}.{below_written}]\n")
                self.pairs((*path, below))


@pytest.mark.parametrize("empty", ['""""""', "''''''", '""', "''"])
def test_a_text_may_be_empty_in_any_quotes(empty: str) -> None:
    lines = locate(f"a = {empty}\nb = 1")
    assert (lines.of(("a",)), lines.of(("b",)), lines.unclosed) == (1, 2, None)


@st.composite
def documents(draw: st.DrawFn) -> Writer:
    """Valid texts of tables, arrays of tables, and values that hold anything."""
    out = Writer(draw)
    out.pairs(())
    for _ in out.several(3):
        if draw(st.booleans()):
            out.table()
        else:
            out.tables()
    return out


def holds(value: object, path: KeyPath) -> bool:
    """Whether there is something at a path."""
    for step in path:
        match value:
            case dict() if step in value:
                value = value[step]
            case list() if isinstance(step, int) and step < len(value):
                value = value[step]
            case _:
                return False
    return True


@pytest.mark.slow
@given(documents())
def test_every_key_is_on_the_line_where_it_was_written(out: Writer) -> None:
    values = tomllib.loads(out.text)
    assert all(holds(values, path) for path in out.lines)
    lines = locate(out.text)
    found = {path: lines.of(path) for path in out.lines}
    assert found == out.lines, out.text
    assert not lines.doubled, out.text
    assert not lines.unclosed, out.text
    assert not lines.gave_up, out.text


@pytest.mark.slow
@given(documents(), st.data())
def test_a_text_that_ends_before_a_key_does_not_hold_it(out: Writer, data: st.DataObject) -> None:
    assume(out.lines)
    path = data.draw(st.sampled_from(sorted(out.lines, key=str)))
    before = "\n".join(out.text.split("\n")[: locate(out.text).of(path) - 1])
    try:
        values = tomllib.loads(before)
    except tomllib.TOMLDecodeError:
        return
    assert not holds(values, path), before


PIECES = """[ ] [[ ]] { } " \""" ' ''' = . , # \\ a 1 \0 \r \u2028""".split(" ")


@given(st.text() | st.lists(st.sampled_from([*PIECES, "\n", " "]), max_size=60).map("".join))
@example("a = [")
@example('a = """')
@example("[[[")
def test_no_text_breaks_the_scan(text: str) -> None:
    lines = locate(text)
    last = text.count("\n") + 1
    places = [lines.doubled and lines.doubled[2], lines.unclosed and lines.unclosed[0]]
    places += [lines.gave_up and lines.gave_up[0], *lines.headers.values()]
    assert all(1 <= line <= last for line in places if line is not None)


def test_a_key_that_is_not_there_has_the_line_of_what_is_around_it() -> None:
    lines = locate("[run]\nmax_workers = 4\n[[lead]]\ntools = [\n'Read', 'Grep',\n]")
    assert lines.of(("run", "budget_usd")) == 1
    assert lines.of(("lead", 0, "tools", 1)) == 5
    assert lines.of(("lead", 0, "tools", 9)) == 4
    assert lines.of(("agents", "reviewer")) == 0
    assert lines.of(()) == 0


def test_a_table_that_is_only_implied_has_the_line_that_implies_it_first() -> None:
    lines = locate("[a.b]\nc.d = 1\n[a]\n")
    assert lines.of(("a", "b")) == 1
    assert lines.of(("a", "b", "c")) == 2
    assert lines.of(("a",)) == 3


def test_a_table_below_an_array_of_tables_belongs_to_its_last_element() -> None:
    lines = locate("[[a]]\n[a.b]\n[[a]]\n[[a.c]]\n[[a.c]]\nd = 1")
    assert lines.of(("a", 0, "b")) == 2
    assert lines.of(("a", 1)) == 3
    assert lines.of(("a", 1, "c", 1, "d")) == 6


def test_only_headers_are_headers() -> None:
    lines = locate("a = {b = {}}\n[c.d]\ne.f = 1\n[[g]]")
    assert lines.headers == {("c", "d"): 2, ("g", 0): 4}


@pytest.mark.parametrize(
    ("text", "doubled"),
    [
        ("a = 1\nb = 2\na = 3", (("a",), 1, 3)),
        ("a = 1\n'a' = 3", (("a",), 1, 2)),
        ("[a]\n[b]\n[a]", (("a",), 1, 3)),
        ("[[a]]\n[a]", (("a",), 1, 2)),
        ("[a]\n[[a]]", (("a",), 1, 2)),
        ("[[a]]\nb = 1\n[[a]]\nb = 1\nb = 2", (("a", 1, "b"), 4, 5)),
        ("a = {b = 1, b = 2}", (("a", "b"), 1, 1)),
        ("a.b = 1\na.c = 2\na.b = 3\na.c = 4", (("a", "b"), 1, 3)),
    ],
)
def test_the_first_key_that_is_given_twice_is_known(
    text: str, doubled: tuple[KeyPath, int, int]
) -> None:
    assert locate(text).doubled == doubled


@pytest.mark.parametrize(
    ("text", "unclosed"),
    [
        ('a = 1\nb = """\nc', (2, '"""')),
        ("a = '''\n''", (1, "'''")),
        ("\na = [1,\nb = 2", (2, "]")),
        ("a = {b = 1,\n[c]", None),
        ("a = {b = [1,\n2", (1, "]")),
        ('a = "b\n', None),
    ],
)
def test_what_never_ends_is_known_by_where_it_begins(
    text: str, unclosed: tuple[int, str] | None
) -> None:
    assert locate(text).unclosed == unclosed


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 1_000_000,
        "a = " + "{a = " * 200_000,
        "a" + ".a" * 500_000 + " = 1",
        "[" + "a." * 500_000 + "a]",
        "a = " + "9" * 1_000_000,
        "[[a]]\n" * 100 + "b = " + "[" * 40,
    ],
)
def test_the_scan_gives_up_on_what_tomllib_would_choke_on(text: str) -> None:
    assert locate(text).gave_up


@pytest.mark.parametrize(
    "text",
    [
        'a = """' + '\\n" ' * 200_000 + '"""',
        "a = '''" + "'' " * 300_000,
        '"' * 1_000_000,
        "[" * 1_000_000,
        "# " * 500_000,
        "#\n" * 500_000,
        'a = "' + "\\" * 1_000_000,
    ],
)
def test_long_texts_are_scanned_at_once(text: str) -> None:
    assert not locate(text).gave_up
