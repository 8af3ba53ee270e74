/** A session as a text for people. */
import { capital, cost, duration, lastName, plural } from "../page/format";
import type { Event } from "../protocol";
import { reduce } from "../store/reduce";
import { emptySession, type Item, isWithdrawn, type SessionState, type Task, type ToolItem } from "../store/session";
import { noticeOf } from "../timeline/notices";
import { shownItems } from "../timeline/rows";
import { lookOf } from "../timeline/tools";

export function asMarkdown(sessionId: string, events: readonly Event[]): string {
  const state = reduce(emptySession(sessionId), events);
  const parts = shownItems(state).map((item) => {
    const text = partOf(item);
    return text && isWithdrawn(state, item.seq) ? `*(taken back by a rewind)*\n\n${text}` : text;
  });
  return `${[headOf(state, events), ...parts].filter(Boolean).join("\n\n")}\n`;
}

function headOf(state: SessionState, events: readonly Event[]): string {
  const lines = [
    `- Session: \`${state.sessionId}\``,
    `- Project: \`${state.project}\``,
    `- Begun: ${events[0]?.time ?? "never"}, ${plural(events.length, "event")}`,
    ...state.tasks.map((task) => `- ${taskLine(task)}`),
  ];
  return `# ${oneLine(state.title || lastName(state.project) || state.sessionId)}\n\n${lines.join("\n")}`;
}

function taskLine({ request, status, usage }: Task): string {
  return `Task, ${status}${usage ? `, ${cost(usage.cost_usd)}` : ""}: ${oneLine(request.content)}`;
}

function partOf(item: Item): string | null {
  switch (item.kind) {
    case "task":
      return `## Task\n\n${item.request.content}`;
    case "message":
      return `**${capital(item.actor.id)}:**\n\n${item.text}`;
    case "reasoning":
      return quoted(`*Thought:* ${item.text}`);
    case "tool":
      return toolPart(item);
    case "event":
      return eventPart(item.event);
    default: {
      const unknown: never = item;
      return unknown;
    }
  }
}

function toolPart(item: ToolItem): string {
  const marks = [
    item.status === "done" ? null : item.status,
    item.durationMs === null ? null : duration(item.durationMs),
    item.decision && `${item.decision.decision} by ${item.decision.by}${item.decision.edited ? ", edited" : ""}`,
  ].filter(Boolean);
  const call = `#### ${lookOf(item.tool).word}: \`${item.tool}\`${marks.length ? ` (${marks.join(", ")})` : ""}`;
  const given = fenced(JSON.stringify(item.arguments, null, 2), "json");
  const told = item.result ? fenced(item.result) : null;
  const whole = item.blob ? `*Shortened; the whole is \`/v1/blobs/${item.blob.id}\`, ${item.blob.bytes} bytes.*` : null;
  return [call, given, told, whole].filter(Boolean).join("\n\n");
}

function eventPart(event: Event): string | null {
  switch (event.type) {
    case "phase_started":
      return `### ${capital(event.data.phase)}`;
    case "research_complete":
      return `**Research**\n\n${event.data.notes}`;
    case "planning_complete":
      return `**Plan:** ${event.data.plan.summary}\n\n${event.data.plan.steps
        .map(
          (step, index) =>
            `${index + 1}. ${oneLine(step.title)}${step.description ? `: ${oneLine(step.description)}` : ""}`,
        )
        .join("\n")}`;
    case "implementation_complete":
      return `**Implementation**\n\n${event.data.summary}`;
    case "task_completed":
      return `**Result**\n\n${event.data.result}`;
    case "task_failed":
      return `**Failed** (\`${event.data.error.code}\`): ${event.data.error.message}`;
    case "checkpoint_created":
      return `*Checkpoint at event ${event.seq}.*`;
    default: {
      const notice = noticeOf(event);
      return notice && `*${oneLine(notice.text)}*`;
    }
  }
}

const oneLine = (text: string) => text.replace(/\s+/g, " ").trim();

const quoted = (text: string) => text.replace(/^/gm, "> ");

/** With more backticks than the text has in a row. */
function fenced(text: string, language = ""): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text.replace(/\n$/, "")}\n${fence}`;
}
