import { useId } from "react";

interface Props<T extends string> {
  label: string;
  options: readonly { value: T; word: string; about: string }[];
  chosen: T;
  onChoose: (value: T) => void;
}

/** One of a few, side by side. */
export function Segments<T extends string>({ label, options, chosen, onChoose }: Props<T>) {
  const name = useId();
  return (
    <fieldset className="flex flex-wrap rounded-lg bg-raised p-0.5">
      <legend className="sr-only">{label}</legend>
      {options.map(({ value, word, about }) => (
        <label
          key={value}
          title={about}
          className="relative grid min-h-8 place-items-center rounded-md px-2.5 text-sm text-muted has-checked:bg-surface
            has-checked:font-medium has-checked:text-ink has-checked:shadow-sm has-focus-visible:outline-2
            has-focus-visible:outline-accent max-md:min-h-10"
        >
          <input
            type="radio"
            name={name}
            className="sr-only"
            checked={chosen === value}
            onChange={() => onChoose(value)}
          />
          {word}
        </label>
      ))}
    </fieldset>
  );
}
