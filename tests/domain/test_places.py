"""Places: paths are read where they have moved, step by step and never in the middle of a name."""

import pytest

from leadhand.domain.manifest import Settings
from leadhand.domain.places import inside, moved, moved_model, moved_settings, of


@pytest.mark.parametrize(
    ("path", "pairs", "now"),
    [
        ("/a/b", (("/a", "/z"),), "/z/b"),
        ("/a", (("/a", "/z"),), "/z"),
        ("/ab", (("/a", "/z"),), "/ab"),
        ("/a/b", (("/", "/z"),), "/z/a/b"),
        ("/", (("/", "/z"),), "/z"),
        ("/a/b", (("/a", "/"),), "/b"),
        ("/a/b", (("/a/", "/z/"),), "/z/b"),
        ("/a/b/c", (("/a", "/y"), ("/a/b", "/z")), "/z/c"),
        ("/a/b", (("/a", "/b"), ("/b", "/c")), "/b/b"),
        ("a/b", (("/", "/z"),), "a/b"),
        ("", (("/a", "/z"),), ""),
    ],
)
def test_a_path_is_moved(path: str, pairs: tuple[tuple[str, str], ...], now: str) -> None:
    assert moved(path, pairs) == now


def test_a_folder_holds_itself_and_what_is_in_it() -> None:
    assert inside("/a", "/a")
    assert inside("/a/b", "/a/")
    assert not inside("/ab", "/a")
    assert not inside("/", "/a")


def test_only_a_scripts_file_is_a_path_of_a_model() -> None:
    pairs = (("/a", "/z"),)
    assert moved_model("script:/a/m.py:reply", pairs) == "script:/z/m.py:reply"
    assert moved_model("script:/a/lines.jsonl", pairs) == "script:/z/lines.jsonl"
    assert moved_model("/a:model", pairs) == "/a:model"


def test_settings_that_leave_paths_open_still_do() -> None:
    assert moved_settings(Settings(system="in /a", env={"A": "/a"}), (("/a", "/z"),)) == Settings(
        system="in /a", env={"A": "/a"}
    )


def test_the_paths_of_one_who_works_are_its_directories_and_its_script() -> None:
    assert [*of("/a", ("/b",), "script:/m.py:f")] == ["/a", "/b", "/m.py"]
    assert [*of(None, None, None)] == [*of("", (), "claude-haiku-4-5")] == []
