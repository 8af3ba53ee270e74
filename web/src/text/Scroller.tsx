import type { ReactNode } from "react";

interface Props {
  /** What is in it, for those who come to it by keyboard. */
  label: string;
  className?: string;
  children: ReactNode;
}

/** What is larger than its place. It is no landmark: there are many of them. */
export function Scroller({ label, className = "", children }: Props) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms.
    <div role="group" tabIndex={0} aria-label={label} className={`scroller ${className}`}>
      {children}
    </div>
  );
}
