import { Dialog } from "../page/Dialog";
import { useStore } from "../store/store";
import type { Action } from "./actions";
import { choosePlainKeys, keyWords, plainKeys } from "./keys";

const GROUPS: readonly Action["group"][] = ["Everywhere", "This session"];

/** Which key does what here and now: made from what the keys are bound to. */
export function KeySheet({ actions, onClose }: { actions: readonly Action[]; onClose: () => void }) {
  const on = useStore(plainKeys);
  return (
    <Dialog title="Keys" onClose={onClose}>
      <div className="grid gap-x-8 gap-y-4 sm:grid-cols-2">
        {GROUPS.map((group) => (
          <Keys key={group} group={group} actions={actions.filter((one) => one.group === group && one.keys)} />
        ))}
      </div>
      <label className="mt-4 flex items-center gap-2 border-t border-line pt-4 text-sm">
        <input
          type="checkbox"
          className="size-4 accent-fill"
          checked={on}
          onChange={(event) => choosePlainKeys(event.target.checked)}
        />
        Keys that are held alone do something, but never while you write
      </label>
    </Dialog>
  );
}

function Keys({ group, actions }: { group: string; actions: readonly Action[] }) {
  if (!actions.length) return null;
  return (
    <section aria-label={group}>
      <h3 className="mb-1 text-xs font-semibold text-muted">{group}</h3>
      <dl className="text-sm">
        {actions.map(({ id, word, keys = "" }) => (
          <div key={id} className="flex min-h-8 items-center justify-between gap-3">
            <dt>{word}</dt>
            <dd>
              <kbd className="key">{keyWords(keys)}</kbd>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
