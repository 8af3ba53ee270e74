/** Events as one sentence. `null`: there is nothing to say, or it is shown elsewhere. */
import { capital, plural } from "../page/format";
import type { Event } from "../protocol";
import type { NoticeWords } from "./EventCard";

export function noticeOf(event: Event): NoticeWords | null {
  switch (event.type) {
    case "session_forked":
      return plain("The session goes on from another one.");
    case "session_renamed":
      return plain(`${event.actor.id} gave the session the title “${event.data.title}”.`);
    case "settings_updated":
      return plain(`The settings were changed by ${event.actor.id}.`);
    case "task_cancelled":
      return { tone: "stop", text: `Cancelled.${event.data.reason ? ` ${event.data.reason}` : ""}` };
    case "task_paused":
      return { tone: "stop", text: `Paused: ${event.data.reason}` };
    case "task_resumed":
      return plain("The task goes on.");
    case "task_recovered":
      return warn("The task goes on after an interruption.");
    case "task_retried":
      return plain(`Tried again from ${event.data.phase}, attempt ${event.data.attempt}.`);
    case "phase_retrying":
      return warn(
        `${capital(event.data.phase)} begins again, attempt ${event.data.attempt}: ${event.data.error.message}`,
      );
    case "phase_skipped":
      return plain(`${capital(event.data.phase)} is skipped: ${event.data.reason}`);
    case "phase_complete":
      return plain(`${capital(event.data.phase)} is done.`);
    case "error":
      // What a phase or a task failed of is said by what follows from it.
      if (event.data.scope === "phase" || event.data.scope === "task") return null;
      return { tone: "bad", text: event.data.message };
    case "question_answered":
      return plain(`${event.data.answered_by} answered: ${event.data.content}`);
    case "plan_resolved":
      return plain(planSentence(event.data));
    case "recovery_decision_requested":
      return warn(event.data.unknown);
    case "recovery_decision_resolved":
      return plain(`${event.data.resolved_by} decided: ${capital(event.data.decision).toLowerCase()}.`);
    case "workspace_created":
      return workspaceSentence(event.data);
    case "workspace_rewound":
      return warn(`Files and conversation are back at event ${event.data.to_seq}.`);
    case "workspace_applied":
      return plain(`${plural(event.data.files.length, "file")} put into the project by ${event.data.applied_by}.`);
    case "budget_warning":
      return warn(event.data.message);
    case "budget_exceeded":
      return warn(`The limit of ${event.data.allowed} ${event.data.limit} is used up.`);
    case "loop_noticed":
      return warn(event.data.message);
    case "loop_paused":
      return warn("The agent repeats itself, so the task is paused.");
    case "model_retried":
      return warn(`The model is asked again (${event.data.reason}); what it said does not count.`);
    case "model_fell_back":
      return warn(`${event.data.to_model} is asked instead of ${event.data.from_model}: ${event.data.reason}`);
    case "context_compacted":
      return plain(`The conversation was shortened: ${event.data.reason}`);
    case "memory_recalled":
      if (!event.data.entries.length) return null;
      return plain(`Recalled ${plural(event.data.entries.length, "entry", "entries")} of memory.`);
    case "memory_merged":
      return plain(memorySentence(event.data));
    case "member_joined":
      return plain(`${event.data.user} is a member now.`);
    case "member_left":
      return plain(`${event.data.user} is no member any more.`);
    case "role_changed":
      return plain(`${event.data.user} is here as ${event.data.role ?? "their token says"}.`);
    case "comment_added":
      return plain(`${event.actor.id} remarks${commentPlace(event.data)}: ${event.data.content}`);
    case "comment_resolved":
      return plain(`${event.data.resolved_by} resolved a comment.`);
    case "control_requested":
      return warn(`${event.data.user} asks ${event.data.holder} for control.`);
    case "control_changed":
      return plain(event.data.holder ? `${event.data.holder} holds control now.` : "Nobody holds control any more.");
    case "approvals_revoked":
      return plain(`What ${event.data.user} approved for the session is asked again.`);
    default:
      return null;
  }
}

const plain = (text: string): NoticeWords => ({ tone: "plain", text });
const warn = (text: string): NoticeWords => ({ tone: "warn", text });

function commentPlace({ seq, step_id: step }: Data<"comment_added">): string {
  if (step) return ` on step ${step}`;
  return seq ? ` on event ${seq}` : "";
}

function memorySentence({ added, merged, superseded, conflicting }: Data<"memory_merged">): string {
  const counts = [
    `${added.length} new`,
    `${merged?.length ?? 0} known already`,
    ...(superseded?.length ? [`${superseded.length} replaced`] : []),
    ...(conflicting?.length ? [`${conflicting.length} contradicting what is known`] : []),
  ];
  return `Memory: ${counts.join(", ")}.`;
}

type Data<T extends Event["type"]> = Extract<Event, { type: T }>["data"];

function planSentence({ decision, reason, resolved_by: by, plan }: Data<"plan_resolved">): string {
  const done = { approve: plan ? "changed and approved" : "approved", revise: "sent back", reject: "rejected" }[
    decision
  ];
  return `${by} ${done} the plan.${reason ? ` ${reason}` : ""}`;
}

function workspaceSentence({ branch, left_behind, uncommitted, notes }: Data<"workspace_created">): NoticeWords {
  const words = [
    `The session works in its own copy${branch ? ` of ${branch}` : ""}.`,
    uncommitted?.length && `${plural(uncommitted.length, "file")} of uncommitted work came along.`,
    left_behind?.length && `Uncommitted work is not in it: ${left_behind.slice(0, 5).join(", ")}.`,
    ...(notes ?? []),
  ].filter(Boolean);
  return { tone: left_behind?.length ? "warn" : "plain", text: words.join(" ") };
}
