import { X } from "lucide-react";
import { type MouseEvent, type ReactNode, useId, useLayoutEffect, useRef } from "react";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** For a `<dialog>`: it opens at once, keeps the focus, closes by Escape or a click beside it, and gives the focus back. */
export function useModal(onClose: () => void) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element?.open) element?.showModal();
    return () => element?.close();
  }, []);
  return {
    ref,
    onClose: () => !ref.current?.open && onClose(),
    onClick: (event: MouseEvent) => event.target === ref.current && ref.current?.close(),
  };
}

/** A question before all else, as the browser does it: it keeps the focus, Escape closes it, and the focus goes back. */
export function Dialog({ title, onClose, children }: Props) {
  const modal = useModal(onClose);
  const id = useId();
  return (
    <dialog {...modal} aria-labelledby={id} className="dialog">
      <div className="p-5">
        <div className="mb-3 flex items-start gap-2">
          <h2 id={id} className="grow text-lg font-semibold">
            {title}
          </h2>
          <button
            type="button"
            className="button button-quiet button-icon -mt-1.5 -mr-2"
            aria-label="Close"
            onClick={() => modal.ref.current?.close()}
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
