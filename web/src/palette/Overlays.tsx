import { X } from "lucide-react";
import { lazy, Suspense, useEffect } from "react";
import { flushSync } from "react-dom";
import { useClient } from "../store/client";
import { useStore } from "../store/store";
import { type Action, actionsOf } from "./actions";
import { useDesk } from "./desk";
import { isPressed, plainKeys, takesText } from "./keys";

const loadPalette = () => import("./Palette").then((module) => ({ default: module.Palette }));
const Palette = lazy(loadPalette);
const KeySheet = lazy(() => import("./KeySheet").then((module) => ({ default: module.KeySheet })));

/** Listens for keys, and shows what they open above the page. */
export function Overlays() {
  const client = useClient();
  const desk = useDesk();
  const overlay = useStore(desk.overlay);
  // Else what is typed at once after its key would go elsewhere.
  useEffect(() => void loadPalette(), []);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const action = pressedAction(event, actionsOf(client, desk));
      if (!action) return;
      event.preventDefault();
      action.run();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [client, desk]);
  const close = () => desk.overlay.set(null);
  // The dialog gives the focus back before the action takes it elsewhere.
  const choose = (action: Action) => {
    flushSync(close);
    action.run();
  };
  return (
    <>
      <Suspense>
        {overlay === "palette" && <Palette actions={actionsOf(client, desk)} onChoose={choose} onClose={close} />}
        {overlay === "keys" && <KeySheet actions={actionsOf(client, desk)} onClose={close} />}
      </Suspense>
      <FailureNote />
    </>
  );
}

/** Nothing is meant by a key that is typed into a text, or while a dialog asks something. */
function pressedAction(event: KeyboardEvent, actions: readonly Action[]): Action | undefined {
  if (event.defaultPrevented || event.isComposing || event.repeat) return undefined;
  const action = actions.find((one) => one.keys && !one.why && isPressed(event, one.keys));
  if (!action || document.querySelector("dialog[open]")) return undefined;
  if (action.keys?.startsWith("Mod+")) return action;
  return plainKeys.get() && !takesText(event.target) ? action : undefined;
}

function FailureNote() {
  const { failure } = useDesk();
  const sentence = useStore(failure);
  if (!sentence) return null;
  return (
    <div
      role="alert"
      className="card fixed bottom-4 left-1/2 z-30 flex max-w-[90vw] -translate-x-1/2 items-center gap-2 py-1 pr-1 pl-4 text-sm text-bad shadow-lg"
    >
      {sentence}
      <button
        type="button"
        className="button button-quiet button-icon"
        aria-label="Dismiss"
        onClick={() => failure.set(null)}
      >
        <X size={16} aria-hidden />
      </button>
    </div>
  );
}
