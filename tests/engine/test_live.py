"""Live: what a model is saying now stands in a file soon, turn by turn, and nowhere later."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

from leadhand.domain.ids import ROOT, ActorId
from leadhand.engine.live import EVERY_SECS, LiveWords
from leadhand.folder import Folder
from leadhand.stores.codec import NO_SECRETS, Secrets
from tests.rules.world import World

KEY = "sk-0123456789abcdef"


def said(base: Path, say: Callable[[LiveWords, World], None], secrets: Secrets = NO_SECRETS) -> str:
    """What the lead's file holds when everything said has been written; empty where it is not."""
    folder, world = Folder(base), World()
    folder.live.mkdir()

    async def main() -> None:
        say(LiveWords(world.run, folder, secrets), world)
        await asyncio.sleep(2 * EVERY_SECS)

    asyncio.run(main())
    path = folder.words(ROOT)
    return path.read_text() if path.exists() else ""


def test_the_words_of_a_turn_stand_in_its_file_which_is_private(tmp_path: Path) -> None:
    def say(words: LiveWords, world: World) -> None:
        write = words.begin(ROOT)
        for piece in ("It ", "", "goes ", "on…"):
            write(piece)

    assert said(tmp_path, say) == "It goes on…"
    assert stat.S_IMODE(Folder(tmp_path).words(ROOT).stat().st_mode) == 0o600


def test_a_turn_goes_on_in_its_file_and_the_next_one_begins_it_anew(tmp_path: Path) -> None:
    folder, world = Folder(tmp_path), World()
    folder.live.mkdir()
    seen = []

    async def main() -> None:
        words = LiveWords(world.run, folder, NO_SECRETS)
        write = words.begin(ROOT)
        for piece in ("one ", "two "):
            write(piece)
            await asyncio.sleep(2 * EVERY_SECS)
            seen.append(folder.words(ROOT).read_text())
        words.begin(ROOT)("next")
        await asyncio.sleep(2 * EVERY_SECS)
        seen.append(folder.words(ROOT).read_text())

    asyncio.run(main())
    assert seen == ["one ", "one two ", "next"]


def test_a_turn_that_says_nothing_yet_has_taken_away_the_words_of_the_one_before(
    tmp_path: Path,
) -> None:
    folder, world = Folder(tmp_path), World()
    folder.live.mkdir()
    seen = []

    async def main() -> None:
        words = LiveWords(world.run, folder, NO_SECRETS)
        write = words.begin(ROOT)
        write("written ")
        await asyncio.sleep(2 * EVERY_SECS)
        write("and waiting to be")
        words.begin(ROOT)
        seen.append(folder.words(ROOT).read_text())
        await asyncio.sleep(2 * EVERY_SECS)
        seen.append(folder.words(ROOT).read_text())

    asyncio.run(main())
    assert seen == ["", ""]


def test_a_settled_actor_has_no_file(tmp_path: Path) -> None:
    def say(words: LiveWords, world: World) -> None:
        words.begin(ROOT)("too late")
        world.turn()
        world.exit(final="1. STATUS: success")
        world.exit(final="nothing more")

    assert said(tmp_path, say) == ""


def test_a_secret_that_comes_in_pieces_is_not_written(tmp_path: Path) -> None:
    def say(words: LiveWords, world: World) -> None:
        write = words.begin(ROOT)
        for piece in ("the key is ", KEY[:6], KEY[6:]):
            write(piece)

    assert KEY not in said(tmp_path, say, Secrets({"MODEL_KEY": KEY}))


def test_a_folder_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    def say(words: LiveWords, world: World) -> None:
        Folder(tmp_path).live.rmdir()
        words.begin(ROOT)("for nobody")
        words.begin(ActorId("root/W1"))("nor for nobody")

    assert said(tmp_path, say) == ""
