"""Secrets: a known secret that is planted at every entrance is nowhere in the run's folder."""

import asyncio
from pathlib import Path

import pytest

from leadhand import wiring
from leadhand.domain import commands as c
from leadhand.domain.ids import ActorId
from leadhand.engine import inbox
from leadhand.freeze import notify_secrets
from leadhand.load import parse, read
from leadhand.model import Request
from leadhand.refusals import Refused
from leadhand.store import Letter
from leadhand.stores.codec import Secrets, secrets_of
from leadhand.testing import Reply, ScriptedModel, done, prompt

SECRET = 'sk-live "quoted" \\ back-slash é 0123456789'


def script(request: Request) -> Reply:
    """Says the secret in words, arguments, file contents, commands, labels and errors."""
    if prompt(request).startswith("leak"):
        if not done(request):
            return Reply(
                text=f"I know {SECRET}",
                calls=(
                    ("Write", {"file_path": "leak.txt", "content": SECRET}),
                    ("Bash", {"command": "cat leak.txt; cat leak.txt >&2; exit 3"}),
                    (SECRET, {SECRET: SECRET}),
                    ("kv_set", {"path": "/shared/short", "value": {SECRET: [SECRET]}}),
                    ("kv_set", {"path": "/shared/long", "value": SECRET * 500}),
                    ("kv_set", {"path": f"/shared/{SECRET}", "value": 1}),
                    ("lease_acquire", {"name": SECRET, "ttl_secs": 5}),
                    ("kv_list", {"glob": f"/shared/{SECRET}"}),
                ),
            )
        if len(done(request)) == 8:
            return Reply(
                calls=(("Read", {"file_path": "leak.txt"}), ("Read", {"file_path": SECRET}))
            )
        return Reply(text=f"it is {SECRET}" + " x" * 40_000)
    if prompt(request).startswith("break"):
        raise RuntimeError(f"broke on {SECRET}")
    if not done(request):
        arguments = {
            "prompt": f"leak {SECRET}",
            "label": SECRET,
            "tools": ["Read", "Write", "Bash"],
        }
        return Reply(calls=(("spawn_worker", arguments), ("spawn_worker", {"prompt": "break"})))
    if not done(request, "wait_actor"):
        waits = (("wait_actor", {"worker_id": "W1"}), ("wait_actor", {"worker_id": "W2"}))
        return Reply(calls=waits)
    return Reply(
        text=f"1. STATUS: partial\n2. COMPLETED\n- W1 — {SECRET} — x\n"
        f"3. DEFERRED OR FAILED\n- none\n4. COST SUMMARY\n- W1: $0\n{SECRET}"
    )


async def play(folder: Path) -> Path:
    """Run it, and send a letter that holds the secret too."""
    loaded = parse(
        f"""
        [run]
        max_workers = 2
        budget_usd = 1.0
        dump_shared_store = true
        [lead]
        id = "leaky"
        directory = "{folder}"
        model = "script:x.py:f"
        prompt = 'the secret is {SECRET.replace(chr(39), "")}'
        """,
        "leaky.toml",
        folder,
    )
    run_dir = folder / "runs"
    store = wiring.open_store(run_dir)
    live = await wiring.start_run(
        store,
        run_dir,
        loaded.manifest,
        loaded.text,
        models=lambda name: ScriptedModel(script),
        environ={"MY_API_KEY": SECRET, "PATH": "/usr/bin:/bin"},
    )
    cleaned = Secrets(secrets_of({"MY_API_KEY": SECRET}))
    command = c.CancelActor(ActorId(f"root/{SECRET}"), SECRET)
    letter = Letter("letter", cleaned.clean_bytes(inbox.encode(command)), "test", 0)
    going = asyncio.create_task(live.go())
    with pytest.raises(Refused):
        await inbox.send(store, live.run_id, letter, 10)
    assert await going
    await live.close()
    await store.close()
    return run_dir / live.run_id


@pytest.mark.slow
def test_a_secret_planted_at_every_entrance_is_nowhere_in_the_run_folder(tmp_path: Path) -> None:
    """Not plain, not escaped, in no file."""
    folder = asyncio.run(play(tmp_path))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert b"[secret MY_API_KEY]" in (folder / "shared-store.json").read_bytes()
    parts = [b"sk-live", b"0123456789", b"back-slash"]
    for path in files:
        data = path.read_bytes()
        assert not any(part in data for part in parts), path
    assert any(b"[secret MY_API_KEY]" in path.read_bytes() for path in files)


def test_a_secret_is_found_in_json_within_json() -> None:
    """Each level of escaping has a form of its own."""
    import msgspec

    secrets = Secrets({"A_TOKEN": SECRET})
    text = SECRET
    for _ in range(4):
        assert secrets.clean(text) == msgspec.json.encode("")[1:-1].decode() + "[secret A_TOKEN]"
        text = msgspec.json.encode(text)[1:-1].decode()


def test_only_names_that_say_so_are_secret() -> None:
    """PATH is none."""
    assert secrets_of({"PATH": "/usr/bin", "DB_PASSWORD": "x" * 9}) == {"DB_PASSWORD": "x" * 9}


def test_what_the_urls_of_sinks_stand_for_is_a_secret_too_but_no_short_word(tmp_path: Path) -> None:
    token = "T000/B000/XXXXXXXXXXXXXXXXXXXX"
    text = """
[[notification]]
kind = "slack"
url = "${LEADHAND_HOOK}"
[[notification]]
kind = "webhook"
url = "https://example.com/${LEADHAND_TEAM}"
[lead]
model = "m"
prompt = "Do it."
"""
    environ = {"LEADHAND_HOOK": f"https://example.com/{token}", "LEADHAND_TEAM": "leadhand"}
    manifest = read(text, "m.toml", tmp_path, environ=environ).manifest
    secrets = Secrets({})
    secrets.learn(notify_secrets(manifest, environ))
    assert (
        secrets.clean(f"by leadhand to /{token}") == "by leadhand to /[secret LEADHAND_HOOK path]"
    )
    assert secrets.clean(environ["LEADHAND_HOOK"]) == "[secret LEADHAND_HOOK]"
