interface Props {
  label: string;
  placeholder: string;
  value: string;
  onValue: (value: string) => void;
  onSend: () => void;
  autoFocus?: boolean;
  onCursor?: (cursor: number) => void;
  /** What is offered for it, and which of that is chosen. */
  list?: { id: string; chosenId: string } | null;
}

/** Grows with its text. Enter sends; Shift+Enter is a new line. */
export function TextArea({ label, placeholder, value, onValue, onSend, autoFocus = false, onCursor, list }: Props) {
  return (
    <textarea
      className="field-sizing-content max-h-60 min-h-12 w-full resize-none bg-transparent px-1 text-[0.9375rem] outline-none
        placeholder:text-faint"
      aria-label={label}
      placeholder={placeholder}
      value={value}
      rows={2}
      autoFocus={autoFocus}
      aria-autocomplete={list === undefined ? undefined : "list"}
      aria-controls={list?.id}
      aria-activedescendant={list?.chosenId}
      onSelect={(event) => onCursor?.(event.currentTarget.selectionStart)}
      onChange={(event) => {
        onValue(event.target.value);
        onCursor?.(event.target.selectionStart);
      }}
      onKeyDown={(event) => {
        if (event.defaultPrevented || event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
        event.preventDefault();
        onSend();
      }}
    />
  );
}
