"""Needs: who only has to type something is told what."""

from pathlib import Path

from leadhand import wiring
from leadhand.cli.needs import needs


def test_what_the_operator_is_to_do_comes_with_the_command_for_it(tmp_path: Path) -> None:
    here = wiring.default_run_dir().absolute()
    assert [*needs("run", here, questions=0, paused=0)] == []
    assert [*needs("run", here, questions=1, paused=2)] == [
        "1 question waits for your answer: `leadhand approvals run`",
        "2 actors are paused until `leadhand continue run`",
    ]
    [elsewhere] = needs("run", tmp_path, questions=0, paused=1)
    assert elsewhere == f"1 actor is paused until `leadhand continue run --run-dir {tmp_path}`"
