"""Chats: whatever a model writes, Slack and Discord show it as it is, and call nobody."""

import random
import re

import pytest

from leadhand.notifier import Notice
from leadhand.notifiers import discord, slack

HOSTILE = (
    "@everyone @here <!channel> <@U123> <#C1> *bold* _it_ ~no~ `code` ```block``` > quote "
    "[click](https://evil.example) || spoiler || # title & &amp; <https://evil.example|bank> "
    "<@!1> <@&2> \\* - list <:emoji:1> @channel"
)


def notice(text: str, preview: str = "") -> Notice:
    """A notice with words of a model's."""
    return Notice("r-1-0", "worker_failed", "error", "r", "2026-01-01", text, preview=preview)


def test_slack_has_no_markup_and_no_mention() -> None:
    said = slack.message(notice(HOSTILE, HOSTILE))
    text = str(said["text"])
    assert not re.search("[<>]", text)
    assert not re.search(r"&(?!amp;|lt;|gt;)", text)
    assert not re.search(r"[@#]\w", text)
    assert (said["mrkdwn"], said["parse"], said["link_names"]) == (False, "none", False)
    assert "&amp;amp;" in text


def test_discord_has_no_markup_and_no_mention() -> None:
    said = discord.message(notice(HOSTILE, HOSTILE))
    text = str(said["content"])
    bare = re.sub(r"\\.", "", text)
    assert not re.search(r"[*_~`|>#\[\]()<@:\\]", bare)
    assert said["allowed_mentions"] == {"parse": []}
    assert "https://" not in text
    assert not re.search(r"@(?!\u200b)", text)


@pytest.mark.parametrize("seed", range(20))
def test_no_message_is_longer_than_may_be_nor_on_several_lines(seed: int) -> None:
    rng = random.Random(seed)
    text = "".join(rng.choice("ab\n\r\t \\*_@<>&#[]()`~|:\u2028é😀") for _ in range(9_000))
    for summary, preview in ((text, ""), ("short", text), (text, text)):
        for said, key, most in (
            (discord.message(notice(summary, preview)), "content", discord.CONTENT_MAX),
            (slack.message(notice(summary, preview)), "text", slack.TEXT_MAX * 6),
        ):
            shown = str(said[key])
            assert len(shown) <= most
            assert len(shown.splitlines()) == 1
    cut = str(discord.message(notice("*" * 5_000))["content"]).removesuffix("…")
    # No escape is cut in half: each mark has its own.
    assert len(re.findall(r"\\[*\[\]]", cut)) * 2 + len("error ") == len(cut)
