"""Decide: which events a command leads to, or why it is refused. Start reading here."""

from collections.abc import Callable
from typing import Any

from leadhand.domain import commands as c
from leadhand.domain.clock import Now
from leadhand.domain.commands import Command
from leadhand.domain.events import Event
from leadhand.domain.rules import (
    actor,
    approval,
    contract,
    deadline,
    fresh,
    house,
    kv,
    lease,
    notify,
    outside,
    pace,
    paths,
    policy,
    run,
    server,
    spawn,
    start,
    steer,
    sublead,
    task,
    turn,
    wait,
    workspace,
)
from leadhand.domain.state import Run

Rule = Callable[[Run, Any, Now], list[Event]]

DECIDE: dict[type, Rule] = {
    # --- actor
    c.CancelActor: actor.cancel,
    c.RecordExit: actor.exited,
    c.RecordCrash: actor.crashed,
    # --- approval
    c.AskApproval: approval.ask,
    c.AnswerApproval: approval.answer,
    c.ExpireApproval: approval.expire,
    c.UseApproval: approval.use,
    # --- contract
    c.RecordDrift: contract.drifted,
    c.RecordBeginning: contract.begun,
    c.RecordOutcome: contract.reported,
    c.RecordChecks: contract.checked,
    # --- deadline
    c.WarnActor: deadline.warn,
    c.ExpireActor: deadline.expire,
    c.WrapUpActor: deadline.wrap_up,
    # --- fresh
    c.CancelWorkers: fresh.cancel_workers,
    # --- house
    c.ChangeHouse: house.change,
    # --- kv
    c.PutEntry: kv.put,
    c.AwaitEntry: kv.wait_for,
    # --- lease
    c.AcquireLease: lease.acquire,
    c.LeaveLease: lease.leave,
    c.ReleaseLease: lease.release,
    c.GrantLease: lease.grant,
    c.ExpireLease: lease.expire,
    # --- notify
    c.RemindApproval: notify.remind,
    c.RecordDelivered: notify.delivered,
    c.RecordUndelivered: notify.undelivered,
    # --- outside
    c.BeginTool: outside.begin,
    c.DeliverMail: outside.deliver,
    c.RecordDenial: outside.denied,
    # --- pace
    c.RecordHold: pace.hold,
    c.UnparkRun: pace.unpark,
    # --- paths
    c.MapPaths: paths.map_paths,
    # --- policy
    c.ChangePolicies: policy.change,
    # --- run
    c.StartRun: run.start,
    c.OwnRun: run.own,
    c.DrainRun: run.drain,
    c.CancelRun: run.cancel,
    c.ReopenRun: run.reopen,
    c.FinishRun: run.finish,
    # --- server
    c.RecordServer: server.record,
    # --- spawn
    c.SpawnActor: spawn.spawn,
    # --- start
    c.RecordStartHeld: start.record,
    # --- steer
    c.PauseActor: steer.pause,
    c.ContinueActor: steer.continue_,
    c.RepromptActor: steer.reprompt,
    c.SendMessage: steer.send,
    c.RecordHalted: steer.halted,
    # --- sublead
    c.SpawnSublead: sublead.spawn,
    # --- task
    c.StartTask: spawn.start_task,
    c.SkipTasks: task.skip,
    # --- turn
    c.AdmitCall: turn.admit,
    c.RecordTurn: turn.record,
    c.RecordCut: turn.cut,
    c.RecordToolResult: turn.returned,
    c.RecordCompaction: turn.compacted,
    # --- wait
    c.OpenWait: wait.begin,
    # --- workspace
    c.RecordWorkspace: workspace.choose,
    c.RecordWorkspaceMade: workspace.made,
    c.KeepWorkspace: workspace.keep,
    c.RecordTidied: workspace.tidied,
}


def decide(state: Run, command: Command, now: Now) -> list[Event]:
    """The events of a command. Raises Refused, whose `record` is stored as well."""
    return DECIDE[type(command)](state, command, now)
