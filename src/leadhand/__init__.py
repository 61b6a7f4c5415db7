"""Leadhand: runs crews of AI agents within house rules that hold whatever a model wants."""

import importlib
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from leadhand.api import (
        Approvals,
        Cancelled,
        Context,
        Cost,
        Event,
        Leadhand,
        LeadhandError,
        ManifestError,
        ModelError,
        Question,
        Refused,
        Reply,
        Report,
        Request,
        Result,
        RunHandle,
        Standing,
        Steered,
        StoreError,
        TaskRecord,
        Tree,
        UsageError,
        Why,
        open,  # noqa: A004 (the name that users know)
        run,
        tool,
    )

__version__ = "0.1.0"
__all__ = [
    "Approvals",
    "Cancelled",
    "Context",
    "Cost",
    "Event",
    "Leadhand",
    "LeadhandError",
    "ManifestError",
    "ModelError",
    "Question",
    "Refused",
    "Reply",
    "Report",
    "Request",
    "Result",
    "RunHandle",
    "Standing",
    "Steered",
    "StoreError",
    "TaskRecord",
    "Tree",
    "UsageError",
    "Why",
    "open",
    "run",
    "tool",
]


def __getattr__(name: str) -> object:
    """A public name, loaded when it is first asked for: the command line starts without them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module("leadhand.api"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """This package. `tool` is the decorator, although a port of that name lies in it too: loading
    leadhand/tool.py would put the module in its place."""

    @property
    def tool(self) -> object:
        """See `leadhand.api.tool`."""
        return importlib.import_module("leadhand.api").tool

    @tool.setter
    def tool(self, module: object) -> None:
        """What the import of leadhand.tool does; `from leadhand.tool import` needs it not."""


sys.modules[__name__].__class__ = _Package
