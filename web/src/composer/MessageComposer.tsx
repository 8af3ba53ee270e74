import { type FormEvent, useState } from "react";
import { useAction } from "../page/hooks";
import { Segments } from "../page/Segments";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { CompletingArea } from "./CompletingArea";
import { ActionError, SendButton } from "./Composer";
import { useSlash } from "./useSlash";

const DELIVERIES = [
  { value: "steer", word: "Steer", about: "The agent takes it up at its next turn" },
  { value: "queue", word: "Queue", about: "A task of its own, after this one" },
] as const;

/** A word to the task that runs, or the next task. */
export function MessageComposer({ state }: { state: SessionState }) {
  const client = useClient();
  const slash = useSlash(state);
  const [content, setContent] = useState("");
  const [delivery, setDelivery] = useState<"steer" | "queue">("steer");
  const action = useAction(async () => {
    if (!(await slash(content)))
      await client.send({ type: "message", session_id: state.sessionId, content: content.trim(), delivery });
    setContent("");
  });
  const submit = () => content.trim() && !action.busy && void action.run();
  return (
    <form
      className="card p-3 shadow-sm"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        submit();
      }}
    >
      <CompletingArea
        state={state}
        label={delivery === "steer" ? "A word to the agent" : "The next task"}
        placeholder={
          delivery === "steer"
            ? "Say something to the agent, / for commands, @ for a file …"
            : "Describe the next task, / for commands, @ for a file …"
        }
        value={content}
        onValue={setContent}
        onSend={submit}
      />
      <div className="mt-1 flex items-center gap-2">
        <Segments label="What to do with it" options={DELIVERIES} chosen={delivery} onChoose={setDelivery} />
        <SendButton label="Send" action={action} empty={!content.trim()} />
      </div>
      <ActionError action={action} />
    </form>
  );
}
