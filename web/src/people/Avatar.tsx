import type { PersonHere } from "../protocol";

const LOOKS: Record<PersonHere["status"], string> = {
  watching: "bg-accent-soft text-accent",
  typing: "bg-good-soft text-good",
  away: "bg-raised text-faint",
};

/** A person in two letters; the name stands beside it, or in what it is part of. */
export function Avatar({ user, status }: { user: string; status: PersonHere["status"] }) {
  return (
    <span
      aria-hidden="true"
      className={`grid size-6 shrink-0 place-items-center rounded-full border border-surface text-[0.6875rem] font-semibold
        uppercase ${LOOKS[status]} ${status === "typing" ? "pulse" : ""}`}
    >
      {user.slice(0, 2)}
    </span>
  );
}
