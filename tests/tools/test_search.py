"""Search: names and lines are matched as defined, and the program stands alone."""

import ast
import json
import subprocess
import sys
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from leadhand.tools.work import search
from leadhand.tools.work.search import Pattern, Walk


def test_a_hostile_pattern_takes_no_time() -> None:
    begun = time.monotonic()
    parts = tuple(["a" * 255] * 50)
    assert not Pattern("*a" * 100 + "*b").matches(("a" * 255,))
    assert not Pattern("/".join(["**", "*a*"] * 200) + "/b").matches(parts)
    assert not Pattern("**/" * 1_000 + "b").matches(parts)
    assert time.monotonic() - begun < 10


segments = st.sampled_from(["a", "b", "ab", "*", "a*", "**", "?"])


@given(st.lists(segments, min_size=1, max_size=5), st.lists(st.sampled_from("a b ab ba".split())))
def test_a_pattern_matches_as_its_definition_says(pattern: list[str], parts: list[str]) -> None:
    def fits(left: list[str], names: list[str]) -> bool:
        if not left:
            return not names
        if left[0] == "**":
            return fits(left[1:], names) or (bool(names) and fits(left, names[1:]))
        one = {"*": True, "?": len(names[0]) == 1, "a*": names[0][0] == "a"} if names else {}
        return bool(names) and one.get(left[0], left[0] == names[0]) and fits(left[1:], names[1:])

    assert Pattern("/".join(pattern)).matches(tuple(parts)) == fits(pattern, parts)


def test_the_program_imports_only_the_standard_library() -> None:
    for node in ast.walk(ast.parse(Path(search.__file__).read_text())):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert all((name or "").partition(".")[0] in sys.stdlib_module_names for name in names)


def test_the_program_starts_isolated_and_answers_with_json() -> None:
    request = search.Request(".", "(", "", "content", False, False, 0, 0, 0, 1.0)
    argument = json.dumps(request._asdict())
    finished = subprocess.run(
        [sys.executable, "-I", "-S", search.__file__, argument],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stdout.startswith('["error", ')


def test_a_walk_ends_at_its_deadline_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    walk = Walk(str(tmp_path), lambda parts: True, time.monotonic() - 1)
    assert list(walk) == []
    assert "too long" in walk.cut
