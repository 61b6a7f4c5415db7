"""Program over HTTP: owns a run as `program` does, and dies in the middle of an answer's stream."""

import os
import re
import sys

from leadhand.freeze import Models
from leadhand.model import Model
from leadhand.models import anthropic, names, openai
from leadhand.models.anthropic import AnthropicModel
from leadhand.models.http import Http, Post, Take
from leadhand.models.openai_responses import OpenAiModel
from tests.kill.program import Point, carry_out, die

# The first piece of a text or of arguments, in either provider's words.
PIECE = re.compile(rb'"type":"(content_block_delta|response\.[a-z_]+\.delta)"')


class KillingHttp(Http):
    """A road to a server that ends with its process around an answer; `first` is before its first
    event is read, `mid` is in the middle of its first text or arguments."""

    def __init__(self, point: Point) -> None:
        super().__init__()
        self._point, self._asked = point, 0

    async def exchange(self, post: Post, take: Take) -> None:
        """See Http.exchange."""
        self._asked += 1
        moment = self._point.moment if self._asked == self._point.number else "never"
        heard = 0

        def hear(event: bytes) -> bool:
            nonlocal heard
            if moment == "first":
                die()
            enough = take(event)
            heard += 1
            if moment == "mid" and PIECE.search(event):
                die()
            if moment == "events" and heard == self._point.stream_events:
                die()
            return enough

        await super().exchange(post, hear)
        if moment == "last":
            die()


def killing(point: Point) -> Models:
    """The models of both providers, made as wiring makes them, on a deadly road."""
    http = KillingHttp(point)

    def model(name: str) -> Model:
        if names.split(name)[0] == "anthropic":
            return AnthropicModel(http, anthropic.server(os.environ["ANTHROPIC_BASE_URL"], "", ""))
        return OpenAiModel(http, openai.server(os.environ["OPENAI_BASE_URL"], ""))

    return model


if __name__ == "__main__":
    carry_out(sys.argv[1:], killing)
