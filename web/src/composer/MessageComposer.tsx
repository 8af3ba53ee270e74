import { type FormEvent, useState } from "react";
import { useAction } from "../page/hooks";
import { Segments } from "../page/Segments";
import { useClient } from "../store/client";
import { ActionError, SendButton } from "./Composer";
import { TextArea } from "./TextArea";

const DELIVERIES = [
  { value: "steer", word: "Steer", about: "The agent takes it up at its next turn" },
  { value: "queue", word: "Queue", about: "A task of its own, after this one" },
] as const;

/** A word to the task that runs, or the next task. */
export function MessageComposer({ sessionId }: { sessionId: string }) {
  const client = useClient();
  const [content, setContent] = useState("");
  const [delivery, setDelivery] = useState<"steer" | "queue">("steer");
  const action = useAction(async () => {
    await client.send({ type: "message", session_id: sessionId, content: content.trim(), delivery });
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
      <TextArea
        label={delivery === "steer" ? "A word to the agent" : "The next task"}
        placeholder={delivery === "steer" ? "Say something to the agent …" : "Describe the next task …"}
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
