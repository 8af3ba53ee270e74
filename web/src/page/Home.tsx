import { Bug, Compass, ListChecks } from "lucide-react";
import { useState } from "react";
import { Composer } from "../composer/Composer";
import { type Draft, emptyDraft, type NewTask } from "../composer/draft";
import { useClient } from "../store/client";

const EXAMPLES: { icon: typeof Bug; title: string; about: string; draft: Partial<Draft> }[] = [
  {
    icon: Bug,
    title: "Make failing tests pass",
    about: "Research, a plan, then the change",
    draft: { content: "Find out why tests fail, mend the cause, and make them all pass." },
  },
  {
    icon: Compass,
    title: "Explain this project",
    about: "Research only: nothing is changed",
    draft: { content: "How is this project built? Where would a newcomer begin to read?", mode: "research" },
  },
  {
    icon: ListChecks,
    title: "Plan a change first",
    about: "Ends with a plan that you can follow later",
    draft: { content: "Plan how to …", mode: "plan" },
  },
];

/** Where nothing is chosen: the way to a first task. */
export function Home() {
  const client = useClient();
  const [draft, setDraft] = useState(emptyDraft);
  const start = async ({ project, task }: { project: string; task: NewTask }) => {
    const title = task.content.split("\n")[0]?.slice(0, 120) || "A task";
    const created = await client.send({ type: "create_session", title, ...(project ? { project } : {}) });
    const sessionId = String(created.session_id);
    await client.send({ type: "task", session_id: sessionId, ...task });
    client.places.go({ sessionId, seq: null });
    client.reloadSoon();
  };
  return (
    <div className="m-auto w-full max-w-2xl p-4 pb-16">
      <h1 className="text-2xl font-semibold tracking-tight">What should be done?</h1>
      <p className="mt-1 mb-4 text-muted">
        Agents look into your project, make a plan and carry it out in a copy of their own. Your files change only when
        you apply what they did.
      </p>
      <Composer draft={draft} onDraft={setDraft} onStart={start} withProject autoFocus />
      <h2 className="mt-6 mb-2 text-sm font-medium text-muted">To begin with</h2>
      <div className="grid gap-2 sm:grid-cols-3">
        {EXAMPLES.map(({ icon: Icon, title, about, draft: example }) => (
          <button
            key={title}
            type="button"
            className="card p-3 text-left hover:bg-raised"
            onClick={() => setDraft({ ...emptyDraft, ...example })}
          >
            <Icon size={18} className="text-accent" aria-hidden />
            <span className="mt-2 block text-sm font-medium">{title}</span>
            <span className="block text-xs text-muted">{about}</span>
          </button>
        ))}
      </div>
    </div>
  );
}
