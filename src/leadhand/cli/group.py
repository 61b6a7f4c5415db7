"""Group: the verbs, each loaded from its file when it is called; --help loads none of them."""

import difflib
import importlib
import os

import click
from click.shell_completion import CompletionItem

from leadhand.cli import VERBS, version

HELP = "Runs crews of AI agents within house rules that hold whatever a model wants."
EPILOG = (
    "RUN is any beginning of a run's id that no other run shares. "
    "`leadhand VERB --help` tells what a verb takes."
)


class Verbs(click.Group):
    """Finds verbs by their files."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click.Group.list_commands."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click.Group.get_command."""
        if cmd_name not in VERBS:
            return None
        found: click.Command = importlib.import_module(f"leadhand.cli.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click.Group.resolve_command."""
        name = args[0]
        if name not in VERBS and not name.startswith("-"):
            near = difflib.get_close_matches(name, VERBS, 1)
            hint = f'Did you mean "{near[0]}"?' if near else f"The verbs are: {', '.join(VERBS)}."
            raise click.UsageError(f'there is no verb "{name}". {hint}', ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """See click.Group.shell_complete; no verb is loaded for it."""
        options = click.Command.shell_complete(self, ctx, incomplete)
        found = [each for each in VERBS if each.startswith(incomplete)]
        return [*(CompletionItem(each, help=VERBS[each]) for each in found), *options]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click.Group.format_commands."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        version()
        ctx.exit()


VERSION = click.Option(
    ["--version", "-V"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version.",
)
SETTINGS = {"help_option_names": ["--help", "-h"], "max_content_width": 100}


def call(arguments: list[str]) -> int:
    """Carry out one command line; its exit code."""
    # None leaves it to click: colors on a terminal only.
    color = False if os.environ.get("NO_COLOR") else None
    verbs = Verbs(
        "leadhand",
        help=HELP,
        epilog=EPILOG,
        params=[VERSION],
        no_args_is_help=True,
        subcommand_metavar="VERB ...",
        context_settings=SETTINGS,
    )
    if "_LEADHAND_COMPLETE" in os.environ:
        from leadhand.cli.completion import answer

        return answer(verbs)
    try:
        with verbs.make_context("leadhand", arguments, color=color) as context:
            code = verbs.invoke(context)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    return code if isinstance(code, int) else 0
