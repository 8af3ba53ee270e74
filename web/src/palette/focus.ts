/** Places of the page that a person goes to by name. */

const PLACES = {
  answer: "section[aria-label='Needs you'] :is(textarea, input, button):not(:disabled)",
  compose: "form:has([data-send]) textarea",
  find: "#find",
} as const;

export function focusOn(place: keyof typeof PLACES): void {
  const element = document.querySelector<HTMLElement>(place === "answer" ? answerOf() : PLACES[place]);
  element?.focus();
  element?.scrollIntoView({ block: "nearest" });
}

/** The answer that goes on comes before what can be changed first. */
function answerOf(): string {
  const first = "section[aria-label='Needs you'] .button-main:not(:disabled)";
  return document.querySelector(first) ? first : PLACES.answer;
}
