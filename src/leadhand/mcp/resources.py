"""Resources: what an actor may read of its run over MCP: the tree, records, transcripts."""

from typing import Any

import mcp_types as types
import msgspec
from mcp.shared.exceptions import MCPError
from msgspec.structs import replace

from leadhand import reach
from leadhand.domain.ids import ActorId
from leadhand.domain.state import Run
from leadhand.folder import Folder
from leadhand.mcp.desk import Desk
from leadhand.mcp.identity import Context, Identity
from leadhand.views import transcript
from leadhand.views.record import Proofs, task_record
from leadhand.views.tree import tree

TREE = "leadhand://tree"
RECORD, TRANSCRIPT = "leadhand://records/", "leadhand://transcripts/"
JSON, LINES = "application/json", "application/x-ndjson"
LISTED_MAX = 200
_encoder = msgspec.json.Encoder()


def handlers(desk: Desk, identity: Identity) -> dict[str, Any]:
    """What the server does with requests for resources."""
    owner = desk.means.owner

    async def listed(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        actor, _ = identity(context)
        tree_ = resource(TREE, "The run now: who works on what, and what it has cost", JSON)
        found = [tree_]
        for each in visible(owner.run, actor)[:LISTED_MAX]:
            found.append(resource(TRANSCRIPT + each, f"What {each} said and did", LINES))
            if each in owner.run.records:
                found.append(resource(RECORD + each, f"What {each} came to", JSON))
        return types.ListResourcesResult(resources=found)

    async def templates(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=[
                template(RECORD, "What a settled actor came to", JSON),
                template(TRANSCRIPT, "What an actor said and did", LINES),
            ]
        )

    async def read(
        context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        actor, _ = identity(context)
        uri = str(params.uri)
        if uri == TREE:
            return contents(uri, JSON, _encoder.encode(pruned(desk, actor)).decode())
        for kind in (RECORD, TRANSCRIPT):
            name = ActorId(uri.removeprefix(kind))
            # Of whom it may not read, it is not told whether they exist.
            if uri.startswith(kind) and name in visible(owner.run, actor):
                if kind == TRANSCRIPT:
                    return contents(uri, LINES, await told(desk, name))
                if name in owner.run.records:
                    return contents(uri, JSON, await record(desk, name))
        raise MCPError(types.INVALID_PARAMS, f"there is no resource {uri[:200]} for you")

    return {
        "on_list_resources": listed,
        "on_list_resource_templates": templates,
        "on_read_resource": read,
    }


def visible(run: Run, actor: ActorId) -> list[ActorId]:
    """Those whom an actor may read of: itself, and those whom it sees."""
    return [actor, *reach.seen_by(run, actor)]


def pruned(desk: Desk, actor: ActorId) -> Any:
    """The tree with the branches that an actor sees."""
    owner = desk.means.owner
    whole, seen = tree(owner.run, owner.now()), set(visible(owner.run, actor))
    branches = tuple(each for each in whole.branches if each.id in seen)
    return replace(whole, branches=branches)


async def told(desk: Desk, actor: ActorId) -> str:
    """An actor's transcript, a line of JSON for each thing that was said or done."""
    lines = [transcript.said(each) for each in await desk.means.owner.history(actor)]
    return "".join(_encoder.encode(each).decode() + "\n" for each in lines if each is not None)


async def record(desk: Desk, actor: ActorId) -> str:
    """A settled actor's record."""
    owner, proofs = desk.means.owner, Proofs()
    for event in await owner.history(actor):
        proofs = proofs.after(event)
    folder = Folder(desk.means.transcripts.parent)
    found = task_record(owner.run, owner.run.records[actor], folder, proofs)
    return _encoder.encode(found).decode()


def resource(uri: str, words: str, mime: str) -> types.Resource:
    """A resource as it is listed."""
    return types.Resource(
        uri=uri, name=uri.removeprefix("leadhand://"), description=words, mime_type=mime
    )


def template(kind: str, words: str, mime: str) -> types.ResourceTemplate:
    """A kind of resource of which there is one for each actor."""
    name = kind.removeprefix("leadhand://").rstrip("/")
    uri = kind + "{+actor}"
    return types.ResourceTemplate(uri_template=uri, name=name, description=words, mime_type=mime)


def contents(uri: str, mime: str, text: str) -> types.ReadResourceResult:
    """What a resource holds."""
    held = types.TextResourceContents(uri=uri, mime_type=mime, text=text)
    return types.ReadResourceResult(contents=[held])
