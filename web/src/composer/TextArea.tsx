interface Props {
  label: string;
  placeholder: string;
  value: string;
  onValue: (value: string) => void;
  onSend: () => void;
  autoFocus?: boolean;
}

/** Grows with its text. Enter sends; Shift+Enter is a new line. */
export function TextArea({ label, placeholder, value, onValue, onSend, autoFocus = false }: Props) {
  return (
    <textarea
      className="field-sizing-content max-h-60 min-h-12 w-full resize-none bg-transparent px-1 text-[0.9375rem] outline-none
        placeholder:text-faint"
      aria-label={label}
      placeholder={placeholder}
      value={value}
      rows={2}
      autoFocus={autoFocus}
      onChange={(event) => onValue(event.target.value)}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
        event.preventDefault();
        onSend();
      }}
    />
  );
}
