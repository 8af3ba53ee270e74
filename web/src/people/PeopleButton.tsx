import { Hand } from "lucide-react";
import { useDialogs } from "../page/dialogs";
import type { PersonHere } from "../protocol";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";
import { Avatar } from "./Avatar";

const FACES = 3;

/** Who is here besides oneself, and who steers; nothing where one is alone and everybody may. */
export function PeopleButton({ state }: { state: SessionState }) {
  const client = useClient();
  const open = useDialogs();
  const here = useStore(client.here);
  const me = useStore(client.me);
  const { holder } = state;
  const others = here.filter((person) => person.user !== me.user);
  if (!others.length && holder === null) return null;
  const typing = others.filter((person) => person.status === "typing").map((person) => person.user);
  return (
    <button
      type="button"
      className="button button-quiet shrink-0 max-sm:px-1"
      aria-label={`People: ${describe(here, holder)}`}
      title={describe(here, holder)}
      onClick={() => open({ kind: "people" })}
    >
      {typing.length > 0 && (
        <span className="text-xs font-normal max-lg:hidden">
          {typing.length === 1 ? `${typing[0]} is typing …` : `${typing.length} are typing …`}
        </span>
      )}
      <span className="flex -space-x-1.5">
        {others.slice(0, FACES).map((person) => (
          <Avatar key={person.user} user={person.user} status={person.status} />
        ))}
      </span>
      {others.length > FACES && <span className="text-xs">+{others.length - FACES}</span>}
      {holder !== null && (
        <span className="chip bg-warn-soft text-warn">
          <Hand size={13} aria-hidden />
          <span className="max-w-24 truncate max-md:hidden">{holder === me.user ? "you" : holder}</span>
        </span>
      )}
    </button>
  );
}

const WORDS: Record<PersonHere["status"], string> = { watching: "", typing: " (typing)", away: " (away)" };

function describe(here: readonly PersonHere[], holder: string | null): string {
  const people = here.map(({ user, status }) => user + WORDS[status]).join(", ");
  return [people && `${people} here`, holder !== null && `${holder} holds control`].filter(Boolean).join("; ");
}
