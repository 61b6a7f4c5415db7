"""Api: what a Python program does with runs; the command line is built on it.

Stable are the names in `leadhand.__all__` and what they say of themselves. Nothing else is.
"""

from leadhand.api.client import Leadhand, open, run  # noqa: A004 (the names that users know)
from leadhand.api.handle import Cancelled, RunHandle, Steered
from leadhand.api.happened import Event
from leadhand.api.result import Result
from leadhand.api.standing import Standing
from leadhand.domain.manifest import Approvals
from leadhand.domain.outcomes import Report
from leadhand.errors import LeadhandError, ManifestError, ModelError, StoreError, UsageError
from leadhand.model import Request
from leadhand.models.scripted import Reply
from leadhand.refusals import Refused
from leadhand.tools.function import Context, tool
from leadhand.views.cost import Cost
from leadhand.views.inbox import Question
from leadhand.views.record import TaskRecord
from leadhand.views.tree import Tree
from leadhand.views.why import Why

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
