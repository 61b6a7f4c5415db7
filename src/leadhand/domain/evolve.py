"""Evolve: how each event changes what is true. The whole fold is this table."""

from collections.abc import Callable
from typing import Any

from leadhand.domain import events as e
from leadhand.domain.clock import At
from leadhand.domain.rules import (
    actor,
    answer,
    approval,
    budget,
    caps,
    compaction,
    contract,
    deadline,
    house,
    kv,
    lease,
    message,
    notify,
    outside,
    pace,
    paths,
    pause,
    policy,
    report,
    run,
    server,
    spawn,
    start,
    task,
    turn,
    wait,
    workspace,
)
from leadhand.domain.state import Run

Fold = Callable[[Run, Any, At], None]

EVOLVE: dict[type, tuple[Fold, ...]] = {
    # --- actor
    e.ActorEnding: (actor.evolve_ending,),
    e.SessionCrashed: (actor.evolve_crash,),
    e.ActorSettled: (
        approval.evolve_settled,
        house.evolve_settling,
        lease.evolve_settling,
        notify.evolve_settling,
        actor.evolve_settled,
        task.evolve_settled,
        workspace.evolve_settled,
    ),
    e.ActorContinued: (actor.evolve_continued, workspace.evolve_continued),
    e.ExitLate: (),
    # --- answer
    e.AnswerUnfinished: (answer.evolve_unfinished,),
    # --- approval
    e.ApprovalAsked: (approval.evolve_asked, notify.evolve_asked),
    e.ApprovalAnswered: (approval.evolve_answered, notify.evolve_answered),
    e.ApprovalUsed: (approval.evolve_used,),
    # --- budget
    e.CallAdmitted: (budget.evolve_admitted,),
    e.CallDeferred: (budget.evolve_deferred,),
    e.CallCut: (budget.evolve_cut,),
    e.BoundExceeded: (budget.evolve_excess,),
    e.WindDownBegan: (budget.evolve_wind_down, house.evolve_wind_down, notify.evolve_short),
    # --- caps
    e.SpawnRefused: (caps.evolve_refused, house.evolve_refused, notify.evolve_short),
    # --- compaction
    e.ConversationCompacted: (budget.evolve_compacted, compaction.evolve_compacted),
    # --- contract
    e.BeginningKept: (contract.evolve_kept,),
    e.DriftFound: (),
    e.OutcomeReported: (contract.evolve_reported,),
    e.OutcomeAsked: (contract.evolve_asked,),
    e.OutcomeClaimed: (contract.evolve_claimed,),
    e.ChecksRecorded: (),
    # --- deadline
    e.DeadlineNeared: (deadline.evolve_warned,),
    e.ActorExpired: (deadline.evolve_expired, house.evolve_expired),
    e.WrapUpAsked: (deadline.evolve_wrap_up,),
    # --- house
    e.HouseChanged: (house.evolve_changed, notify.evolve_relieved),
    # --- kv
    e.EntryPut: (kv.evolve_put,),
    # --- lease
    e.LeaseGranted: (lease.evolve_granted,),
    e.LeaseRenewed: (lease.evolve_renewed,),
    e.LeaseReleased: (lease.evolve_released,),
    e.LeaseExpired: (lease.evolve_expired,),
    e.LeaseLeft: (lease.evolve_left,),
    # --- message
    e.MessageSent: (message.evolve_sent,),
    # --- notify
    e.ApprovalReminded: (notify.evolve_reminded,),
    e.NoticeDeferred: (notify.evolve_deferred,),
    e.NoticeDelivered: (notify.evolve_delivered,),
    e.NoticeDropped: (notify.evolve_dropped,),
    # --- outside
    e.ToolBegun: (outside.evolve_begun,),
    e.MailDelivered: (outside.evolve_delivered,),
    e.CallerDenied: (outside.evolve_denied,),
    # --- pace
    e.CallHeld: (pace.evolve_held,),
    e.RunParked: (pace.evolve_parked,),
    e.RunUnparked: (pace.evolve_unparked,),
    # --- paths
    e.PathsMapped: (paths.evolve_mapped,),
    # --- pause
    e.ActorPaused: (pause.evolve_paused, lease.evolve_paused),
    e.ActorUnpaused: (pause.evolve_unpaused, lease.evolve_paused),
    e.ActorReprompted: (pause.evolve_reprompted,),
    e.SessionHalted: (pause.evolve_halted,),
    # --- policy
    e.PoliciesChanged: (policy.evolve_changed,),
    # --- report
    e.ReportAsked: (report.evolve_asked,),
    e.ReportChecked: (report.evolve_checked, notify.evolve_report),
    # --- run
    e.RunStarted: (run.evolve_started, task.evolve_started, notify.evolve_started),
    e.RunOwned: (run.evolve_owned,),
    e.RunDraining: (run.evolve_draining,),
    e.RunCancelled: (run.evolve_cancelled,),
    e.RunReopened: (
        run.evolve_reopened,
        house.evolve_reopened,
        notify.evolve_relieved,
        workspace.evolve_reopened,
    ),
    e.RunFinished: (run.evolve_finished, notify.evolve_finished),
    # --- server
    e.ServerAsked: (server.evolve_asked,),
    # --- spawn
    e.ActorSpawned: (
        spawn.evolve_spawned,
        contract.evolve_spawned,
        task.evolve_spawned,
        workspace.evolve_spawned,
    ),
    # --- start
    e.StartHeld: (start.evolve_held,),
    # --- task
    e.TaskHeld: (task.evolve_held,),
    e.TaskSkipped: (task.evolve_skipped,),
    # --- turn
    e.TurnRecorded: (budget.evolve_turn, turn.evolve_recorded),
    e.TurnLate: (budget.evolve_late,),
    e.ToolReturned: (lease.evolve_returned, turn.evolve_returned, approval.evolve_returned),
    e.ToolLate: (),
    # --- wait
    e.WaitOpened: (wait.evolve_opened, lease.evolve_waits),
    # --- workspace
    e.WorkspaceChosen: (workspace.evolve_chosen,),
    e.WorkspaceMade: (workspace.evolve_made,),
    e.WorkspaceRemoved: (workspace.evolve_removed,),
    e.WorkspaceKept: (workspace.evolve_kept,),
}


def evolve(state: Run, event: e.Event, at: At) -> None:
    """Change the state by one event."""
    for fold in EVOLVE[type(event)]:
        fold(state, event, at)
    state.seq = at.seq
    state.run_ms = at.now.run_ms
