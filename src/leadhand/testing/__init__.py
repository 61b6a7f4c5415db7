"""Testing: the public test kit: scripted models, a clock that jumps, given/when/then, simulate.

`simulate` is in a module of its own: `from leadhand.testing.simulate import simulate`.
"""

from leadhand.models.scripted import Reply, ScriptedModel, replies
from leadhand.testing.clock import JumpingClock, JumpingLoop
from leadhand.testing.given import Given, When, given
from leadhand.testing.script import Done, done, prompt, turn

__all__ = [
    "Done",
    "Given",
    "JumpingClock",
    "JumpingLoop",
    "Reply",
    "ScriptedModel",
    "When",
    "done",
    "given",
    "prompt",
    "replies",
    "turn",
]
