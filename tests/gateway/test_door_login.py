"""Door login: a coding agent's own login opens its provider, and nothing of ours goes with it."""

import asyncio
from pathlib import Path

from leadhand.domain import events as e
from leadhand.domain.manifest import Provider
from leadhand.domain.money import Usage
from leadhand.testing import Reply
from leadhand.testing.model_server import model_server
from leadhand.testing.step import Step
from tests.gateway.door_kit import asking, stage

USAGE = Usage(300, 70)


def test_a_login_goes_along_and_is_counted_at_list_price(tmp_path: Path) -> None:
    async def main() -> None:
        async with model_server(lambda request: Reply(text="ok", usage=USAGE)) as vendor:
            own = {"mine": Provider("anthropic", vendor.url, auth="login")}
            model, given = "mine:claude-haiku-4-5", {"providers": own}
            async with stage(tmp_path, lambda request: Step(), model, **given) as it:
                token = it.token()
                login = {"X-Leadhand-Token": token, "Authorization": "Bearer oauth-of-mine"}
                got = await it.ask("", asking(model), **login)
                assert got.status == 200
                (turn,) = await it.all(e.TurnRecorded)
                assert turn.cost == it.live.engine.run.spent > 0
                assert "Authorization" in vendor.seen[0].headers
                assert not {"X-Leadhand-Token", "X-Api-Key"} & set(vendor.seen[0].headers)
                # Without a login of its own, its token does not go out in place of one.
                await it.ask("", asking(model), Authorization=f"Bearer {token}")
                await it.ask(
                    "",
                    asking(model),
                    **{"X-Leadhand-Token": token, "Authorization": f"Bearer {token}"},
                )
                for seen in [*vendor.seen][1:]:
                    assert "Authorization" not in seen.headers

    asyncio.run(main())


def test_a_provider_that_a_key_opens_never_sees_a_login(tmp_path: Path) -> None:
    async def main() -> None:
        async with stage(tmp_path, lambda request: Reply(text="ok", usage=USAGE)) as it:
            login = {"X-Leadhand-Token": it.token(), "Authorization": "Bearer oauth-of-mine"}
            assert (await it.ask("", asking(), **login)).status == 200
            assert "Authorization" not in it.server.seen[0].headers

    asyncio.run(main())
