import { X } from "lucide-react";
import { type ReactNode, useId, useLayoutEffect, useRef } from "react";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** A question before all else, as the browser does it: it keeps the focus, Escape closes it, and the focus goes back. */
export function Dialog({ title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element?.open) element?.showModal();
    return () => element?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same.
    <dialog
      ref={dialog}
      aria-labelledby={id}
      className="dialog"
      onClose={() => !dialog.current?.open && onClose()}
      onClick={(event) => event.target === dialog.current && dialog.current.close()}
    >
      <div className="p-5">
        <div className="mb-3 flex items-start gap-2">
          <h2 id={id} className="grow text-lg font-semibold">
            {title}
          </h2>
          <button
            type="button"
            className="button button-quiet button-icon -mt-1.5 -mr-2"
            aria-label="Close"
            onClick={() => dialog.current?.close()}
          >
            <X size={17} aria-hidden />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

/** What can be answered, with what went wrong. */
export function DialogAnswers({ error, children }: { error: string | null; children: ReactNode }) {
  return (
    <>
      {error && (
        <p role="alert" className="mt-3 text-sm text-bad">
          {error}
        </p>
      )}
      <div className="mt-5 flex flex-wrap justify-end gap-2">{children}</div>
    </>
  );
}
