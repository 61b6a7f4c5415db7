"""Door program: the owner of a run whose client asks at the model door, until it is killed.

python -m tests.kill.door_program FOLDER PROVIDER_URL
"""

import asyncio
import sys
from pathlib import Path

from leadhand.domain.ids import ROOT
from leadhand.domain.manifest import Lead, Manifest, Settings
from leadhand.model_wiring import make_models
from leadhand.stores.sqlite import SqliteStore
from leadhand.wiring import start_run

MODEL = "anthropic:claude-haiku-4-5"


def environ(url: str) -> dict[str, str]:
    """What leads to the provider."""
    return {"ANTHROPIC_API_KEY": "sk-none", "ANTHROPIC_BASE_URL": url}


async def main(folder: Path, url: str) -> None:
    manifest = Manifest(Lead("lead", "Go.", Settings(model=MODEL, directory=str(folder))))
    store, runs = SqliteStore(folder / "runs"), folder / "runs"
    live = await start_run(store, runs, manifest, "", models=make_models(environ(url)))
    door = live.model_door()
    await door.start()
    print(live.run_id, door.url, live.tokens.issue(ROOT), flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
