"""Toml: a manifest that a program gives as tables, written as the text that its run keeps."""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from leadhand.errors import UsageError

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def written(tables: Mapping[str, Any]) -> str:
    """The tables as TOML; what is None is left out. Raises UsageError where TOML has no such
    value."""
    try:
        return "\n".join(_lines(tables, ())).strip() + "\n"
    except RecursionError as error:
        raise UsageError("the manifest contains itself") from error


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """A table's own values, then the tables in it."""
    inner: list[tuple[str, Any]] = []
    for key, value in table.items():
        if not isinstance(key, str):
            raise UsageError(f"{_shown(path)}: the key {key!r} is no text")
        if value is None:
            continue
        if isinstance(value, Mapping) or _are_tables(value):
            inner.append((key, value))
        else:
            yield f"{_key(key)} = {_value(value, (*path, key))}"
    for key, value in inner:
        place = (*path, key)
        name = ".".join(map(_key, place))
        if isinstance(value, Mapping):
            yield from ("", f"[{name}]", *_lines(value, place))
        else:
            for each in value:
                yield from ("", f"[[{name}]]", *_lines(each, place))


def _are_tables(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(each, Mapping) for each in value)
    )


def _value(value: Any, path: tuple[str, ...]) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return str(value)
        case float():
            # TOML says nan and inf, as Python does.
            return repr(value) if math.isfinite(value) else str(value)
        case str():
            return _text(value)
        case os.PathLike():
            return _text(os.fsdecode(value))
        case list() | tuple():
            return "[" + ", ".join(_value(each, path) for each in value) + "]"
        case Mapping():
            inner = (f"{_key(key)} = {_value(each, path)}" for key, each in value.items())
            return "{" + ", ".join(inner) + "}"
        case _ if callable(schema := getattr(value, "model_json_schema", None)):
            # A class of pydantic; TOML has no null, which such schemas are full of.
            return _text(json.dumps(schema()))
        case _:
            raise UsageError(f"{_shown(path)}: a manifest holds no {type(value).__name__}")


def _text(text: str) -> str:
    # JSON escapes all that TOML wants escaped, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _shown(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path)) or "the manifest"
