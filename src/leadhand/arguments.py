"""Arguments: what a tool may be called with, as a model is told and as its calls are read."""

from typing import Any, Protocol

import msgspec
from msgspec import Struct


class Arguments(Protocol):
    """The arguments of one tool."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of an object, without references. Raises RecursionError where a type of
        them contains itself."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What each is called."""
        ...

    def read(self, given: dict[str, Any]) -> Any:
        """What a handler is given for what a model gave. Raises ValueError, which names the
        field."""
        ...


class Fields(Struct, frozen=True):
    """Arguments that are the fields of a struct."""

    kind: type[Struct]

    @property
    def schema(self) -> dict[str, Any]:
        """See `Arguments.schema`."""
        (found,), parts = msgspec.json.schema_components([self.kind], ref_template="{name}")
        found = plain(found, parts)
        return {key: found[key] for key in found if key != "title"}

    @property
    def names(self) -> tuple[str, ...]:
        """See `Arguments.names`."""
        return self.kind.__struct_encode_fields__

    def read(self, given: dict[str, Any]) -> Any:
        """See `Arguments.read`."""
        return msgspec.convert(given, self.kind)


def plain(schema: Any, parts: dict[str, Any]) -> Any:
    """A schema with what it refers to put in its place."""
    if isinstance(schema, list):
        return [plain(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return plain(parts[schema["$ref"]], parts) | own
    return {key: plain(value, parts) for key, value in schema.items()}
