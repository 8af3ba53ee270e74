import type { ReactNode } from "react";

/** What is asked, in one line, and why. */
export function Ask({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <>
      <h2 className="font-semibold">{title}</h2>
      {children && <div className="mt-0.5 text-sm break-words text-muted">{children}</div>}
    </>
  );
}

export function Answers({ error, children }: { error: string | null; children: ReactNode }) {
  return (
    <>
      {error && (
        <p role="alert" className="mt-2 text-sm text-bad">
          {error}
        </p>
      )}
      <div className="sticky bottom-0 mt-1 flex flex-wrap gap-2 bg-surface py-3">{children}</div>
    </>
  );
}
