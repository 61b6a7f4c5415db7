"""Paths: no path that a model can write leads out of its roots."""

import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadhand.processes import Processes
from leadhand.refusals import OutsideWorkspace, Refused, ToolFailed
from leadhand.tool import Caller
from leadhand.tools.work import paths
from tests.tools.kit import make_caller


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file.txt").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    (tmp_path / "root-twin").mkdir()
    (tmp_path / "root-twin" / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def caller(root: Path) -> Caller:
    return make_caller(root, Processes("paths", root.parent))


def content(caller: Caller, path: str) -> bytes:
    opened = paths.open_file(caller, path)
    with os.fdopen(opened.fd, "rb") as file:
        return file.read()


@pytest.mark.parametrize(
    "path",
    ["sub/file.txt", "./sub//file.txt", "sub/../sub/file.txt", "nowhere/../sub/file.txt"],
)
def test_a_path_inside_is_opened_however_it_is_spelled(caller: Caller, path: str) -> None:
    assert content(caller, path) == b"inside"


def test_an_absolute_path_inside_is_opened(caller: Caller, root: Path) -> None:
    assert content(caller, str(root / "sub/file.txt")) == b"inside"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret.txt",
        "sub/../../outside/secret.txt",
        "/etc/passwd",
        "/",
        "//etc/passwd",
        "..",
        "../root-twin/secret.txt",
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/proc/self/cwd/README.md",
        "/dev/zero",
        "~",
        "~/.ssh/id_rsa",
        "~root/.ssh/id_rsa",
    ],
)
def test_a_path_that_leads_out_is_refused(caller: Caller, path: str) -> None:
    with pytest.raises(OutsideWorkspace):
        paths.open_file(caller, path)
    with pytest.raises(OutsideWorkspace):
        paths.resolve(caller, path, write=True)


@pytest.mark.parametrize("path", ["", "\0", "sub/file.txt\0.png", "a" * 5_000, "\ud800"])
def test_what_is_no_path_is_refused(caller: Caller, path: str) -> None:
    with pytest.raises(Refused):
        content(caller, path)


def test_links_out_are_refused_and_links_within_are_followed(caller: Caller, root: Path) -> None:
    (root / "out").symlink_to(root.parent / "outside")
    (root / "out.txt").symlink_to("../outside/secret.txt")
    (root / "chain").symlink_to("out.txt")
    (root / "in.txt").symlink_to("sub/file.txt")
    for path in ("out/secret.txt", "out.txt", "chain", "out/new.txt", "out/../secret.txt"):
        with pytest.raises(OutsideWorkspace):
            paths.resolve(caller, path, write=True)
        with pytest.raises(OutsideWorkspace):
            paths.open_file(caller, path)
    assert content(caller, "in.txt") == b"inside"


def test_a_link_in_a_circle_is_refused(caller: Caller, root: Path) -> None:
    (root / "circle").symlink_to("circle")
    with pytest.raises(ToolFailed):
        paths.open_file(caller, "circle")


def test_added_directories_may_be_written_and_readable_ones_only_read(root: Path) -> None:
    outside = root.parent / "outside"
    path = str(outside / "secret.txt")
    processes = Processes("paths", root.parent)
    writer = make_caller(root, processes, roots=(outside,))
    reader = make_caller(root, processes, readable=(outside / "secret.txt",))
    assert content(writer, path) == b"secret"
    assert paths.resolve(writer, path, write=True) == Path(path)
    assert content(reader, path) == b"secret"
    with pytest.raises(OutsideWorkspace, match="may only be read"):
        paths.resolve(reader, path, write=True)
    with pytest.raises(OutsideWorkspace):
        paths.resolve(reader, str(outside / "other.txt"))


def test_a_root_that_is_itself_a_link_is_understood(root: Path) -> None:
    alias = root.parent / "alias"
    alias.symlink_to(root)
    caller = make_caller(alias, Processes("paths", root.parent))
    assert content(caller, "sub/file.txt") == b"inside"
    assert content(caller, str(alias / "sub/file.txt")) == b"inside"
    assert content(caller, str(root / "sub/file.txt")) == b"inside"


def test_nothing_but_a_regular_file_is_opened_and_nothing_waits(caller: Caller, root: Path) -> None:
    os.mkfifo(root / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(root)
    try:
        listener.bind("socket")
    finally:
        os.chdir(here)
        listener.close()
    begun = time.monotonic()
    for path, what in (("fifo", "a FIFO"), ("socket", "a socket"), ("sub", "a directory")):
        with pytest.raises(ToolFailed, match=what):
            paths.open_file(caller, path)
    assert time.monotonic() - begun < 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes devices")
def test_a_device_inside_is_refused(caller: Caller, root: Path) -> None:
    try:
        os.mknod(root / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    with pytest.raises(ToolFailed, match="a device"):
        paths.open_file(caller, "zero")


@pytest.mark.slow
def test_a_link_that_is_swapped_all_the_time_never_leads_out(caller: Caller, root: Path) -> None:
    good, evil, name = root / "good", root / "evil", root / "name"
    good.mkdir()
    (good / "secret.txt").write_text("inside")
    evil.symlink_to(root.parent / "outside")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            good.rename(name)
            name.rename(good)
            evil.rename(name)
            name.rename(evil)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        seen = set()
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            try:
                seen.add(content(caller, "name/secret.txt"))
            except Refused as error:
                seen.add(type(error).__name__.encode())
    finally:
        over.set()
        swapper.join()
    assert b"secret" not in seen
    assert b"inside" in seen


names = st.sampled_from(["..", ".", "sub", "out", "in", "file.txt", "", "~", "new", "secret.txt"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(names, max_size=8), st.booleans())
def test_whatever_is_opened_lies_inside(
    caller: Caller, root: Path, parts: list[str], absolute: bool
) -> None:
    for link, target in (("out", "../outside"), ("in", "sub")):
        if not (root / link).is_symlink():
            (root / link).symlink_to(target)
    path = "/".join(parts)
    if absolute:
        path = f"{root}/{path}"
    try:
        assert paths.resolve(caller, path, write=True).is_relative_to(root)
        assert content(caller, path) == b"inside"
    except Refused:
        pass


@given(st.text())
def test_a_shown_path_holds_nothing_that_could_pass_for_more(text: str) -> None:
    shown = paths.shown(text)
    assert shown.isprintable()
    shown.encode()


def test_a_missing_file_is_answered_with_names_that_are_near(caller: Caller, root: Path) -> None:
    (root / "README.md").touch()
    for asked, near in (("readme.md", "README.md"), ("sub/fiel.txt", "file.txt")):
        with pytest.raises(ToolFailed) as refusal:
            paths.open_file(caller, asked)
        assert near in refusal.value.next_step
    with pytest.raises(ToolFailed) as refusal:
        paths.open_file(caller, "src/file.txt")
    assert "There is no src" in refusal.value.next_step
