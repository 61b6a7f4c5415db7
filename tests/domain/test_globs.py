"""Globs: held against every path there is, on a small alphabet."""

import itertools
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadhand.domain import globs

NAMES = ["".join(each) for n in (1, 2) for each in itertools.product("ab", repeat=n)]
PATHS = ["/".join(each) for n in (1, 2, 3) for each in itertools.product(NAMES, repeat=n)]
WORDS = ["".join(each) for n in range(7) for each in itertools.product("ab", repeat=n)]
NAME_GLOBS = st.text("ab*?", min_size=1, max_size=3).filter(lambda text: "**" not in text)
GLOBS = st.lists(st.one_of(NAME_GLOBS, st.just("**")), min_size=1, max_size=3).map("/".join)


def brute(glob: str) -> set[str]:
    """The paths that a glob means, by a regular expression written for it."""
    parts = []
    for name in glob.split("/"):
        if name == "**":
            parts.append("(?:[^/]+/)*")
        else:
            one = "".join({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in name)
            parts.append(f"{one}/")
    whole = re.compile("".join(parts) + "(?:[^/]+/)*")
    return {path for path in PATHS if whole.fullmatch(f"{path}/")}


@given(GLOBS)
@settings(max_examples=20, deadline=None)
def test_a_glob_means_the_paths_that_its_regular_expression_does(glob: str) -> None:
    assert {path for path in PATHS if globs.matches(glob, path)} == brute(glob)


@given(GLOBS, GLOBS)
@settings(max_examples=80, deadline=None)
def test_two_globs_overlap_where_a_path_is_in_both(one: str, other: str) -> None:
    meet = globs.overlap(globs.pattern(one), globs.pattern(other))
    assert meet == globs.overlap(globs.pattern(other), globs.pattern(one))
    # A path that both mean may be longer than those that are tried, so only this way round.
    assert meet or not brute(one) & brute(other)


@given(st.text("ab*?/", max_size=8), st.text("ab*?/", max_size=8))
@settings(max_examples=100, deadline=None)
def test_every_glob_overlaps_itself_and_everything(one: str, other: str) -> None:
    if globs.names(one):
        assert globs.overlap(globs.pattern(one), globs.pattern(one))
        assert globs.overlap(globs.pattern(one), globs.pattern("**"))


@pytest.mark.parametrize(
    ("glob", "path", "means"),
    [
        ("src/**", "src/a/b.py", True),
        ("src", "src/a/b.py", True),
        ("src/", "src/a.py", True),
        ("./src", "src/a.py", True),
        ("*.py", "a.py", True),
        ("*.py", "src/a.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "x/y/a.py", True),
        ("a[b].py", "a[b].py", True),
        ("a[b].py", "ab.py", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
    ],
)
def test_what_a_glob_means(glob: str, path: str, means: bool) -> None:
    assert globs.matches(glob, path) is means


@pytest.mark.slow
def test_hostile_globs_are_answered_at_once() -> None:
    began = time.monotonic()
    assert not globs.overlap(globs.pattern("a*" * 400 + "b"), globs.pattern("a*" * 400 + "c"))
    assert globs.overlap(globs.pattern("**/a/" * 100), globs.pattern("**/b/" * 100))
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_a_claim_of_many_files_is_looked_through_quickly() -> None:
    began = time.monotonic()
    paths = [f"src/part{number}/a.py" for number in range(10_000)]
    assert globs.unclaimed(["src/**", "doc/*.md"], [*paths, "doc/a.txt"]) == ["doc/a.txt"]
    assert time.monotonic() - began < 5


@given(NAME_GLOBS, NAME_GLOBS)
@settings(max_examples=200, deadline=None)
def test_two_names_are_alike_exactly_where_a_word_is_in_both(one: str, other: str) -> None:
    def words(glob: str) -> set[str]:
        found = "".join({"*": ".*", "?": "."}.get(char, char) for char in glob)
        return {word for word in WORDS if re.fullmatch(found, word)}

    left, right = globs.pattern(one)[0], globs.pattern(other)[0]
    assert left is not None
    assert right is not None
    # A shortest word of both is no longer than the two together.
    assert globs.alike(left, right) == bool(words(one) & words(other))
