/** The HTTP routes that the page uses. The browser's cookie says who asks. Each raises `Failure`. */
import { Failure } from "./failure";
import type { CreatedToken, Event, FileChange, Problem, SessionView, TokenView } from "./protocol";
import type { LogPage } from "./session/log";

type NewToken = Pick<TokenView, "user" | "role" | "name"> & { expires_in_seconds: number | null };

export const listSessions = (): Promise<SessionView[]> => json("GET", "/v1/sessions");

export const deleteSession = (id: string, force: boolean): Promise<Response> =>
  request("DELETE", `${session(id)}?force=${force}`);

export const readDiff = async (id: string): Promise<string> => (await request("GET", `${session(id)}/diff`)).text();

export const applyChanges = (id: string): Promise<{ files: FileChange[] }> => json("POST", `${session(id)}/apply`);

export const createBranch = (id: string): Promise<{ branch: string }> => json("POST", `${session(id)}/branch`);

export const renameSession = (id: string, title: string): Promise<SessionView> => json("PATCH", session(id), { title });

/** As it was at `toSeq`, or as it is now. */
export const forkSession = (id: string, toSeq: number | null): Promise<SessionView> =>
  json("POST", `${session(id)}/fork`, { to_seq: toSeq });

/** The last `limit` events before the seq `before`, or fewer where they are large. */
export const readBefore = (id: string, before: number, limit: number): Promise<{ events: Event[] }> =>
  json("GET", `${session(id)}/events?before=${before}&limit=${limit}`);

const MOST_EVENTS = 5000;

/** The first events after a seq, as many as the server gives at once. */
export const readAfter = (id: string, after: number): Promise<LogPage> =>
  json("GET", `${session(id)}/events?after=${after}&limit=${MOST_EVENTS}`);

/** The whole of what an event shows a part of. */
export const readBlob = (id: string): Promise<unknown> => json("GET", `/v1/blobs/${encodeURIComponent(id)}`);

export const listTokens = (): Promise<TokenView[]> => json("GET", "/v1/tokens");

export const createToken = (token: NewToken): Promise<CreatedToken> => json("POST", "/v1/tokens", token);

export const revokeToken = (id: string): Promise<TokenView> => json("DELETE", `/v1/tokens/${encodeURIComponent(id)}`);

/** Swaps a token for the cookie. */
export const signInWithToken = (token: string): Promise<Response> => request("POST", "/sign-in", { token });

export const signOut = (): Promise<Response> => request("POST", "/sign-out");

/** Swaps the one-time code for the cookie. */
export const signIn = (code: string): Promise<Response> => request("GET", `/sign-in?code=${encodeURIComponent(code)}`);

const session = (id: string) => `/v1/sessions/${encodeURIComponent(id)}`;

export async function json<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await request(method, path, body)).json() as Promise<T>;
}

async function request(method: string, path: string, body?: unknown): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
  } catch {
    throw new Failure("unreachable", "The server does not answer.");
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

async function failureOf(response: Response): Promise<Failure> {
  if (!response.headers.get("Content-Type")?.includes("problem+json"))
    return new Failure("http_error", `The server answered with ${response.status}.`);
  const problem = (await response.json()) as Problem;
  return new Failure(problem.code, problem.detail, problem.details);
}
