/** Numbers and times for people. */

export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.max(0, Math.round(milliseconds))} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  return elapsed(milliseconds);
}

export function elapsed(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

export function ago(time: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(time)) / 60_000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} d`;
}

/** `null` is a model whose price is not known. */
export function cost(usd: number | null | undefined): string {
  if (usd === null) return "price unknown";
  if (!usd) return "$0";
  return `$${usd.toFixed(usd < 1 ? 4 : 2)}`;
}

export function count(number: number): string {
  return number < 10_000 ? String(number) : `${(number / 1000).toFixed(number < 100_000 ? 1 : 0)}k`;
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export function clock(time: string): string {
  return CLOCK.format(new Date(time));
}

export function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).replaceAll("_", " ");
}

export function lastName(path: string): string {
  return path.replace(/\/+$/, "").split("/").at(-1) ?? path;
}

/** What a session is called: its title, but for the one that says only which project it is on. */
export function nameOf(title: string, project: string, task: string | undefined): string {
  return task && (!title || title === lastName(project)) ? task : title;
}
