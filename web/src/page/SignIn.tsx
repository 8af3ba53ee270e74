import { type FormEvent, useState } from "react";
import { signIn, signInWithToken } from "../http";
import { useClient } from "../store/client";
import { useAction } from "./hooks";
import { Logo } from "./SessionList";

/** Nobody is signed in in this browser: the code of the link that `vgproject serve` prints does that. */
export function SignIn() {
  const client = useClient();
  const [given, setGiven] = useState("");
  const action = useAction(async () => {
    const code = codeOf(given);
    await (isToken(code) ? signInWithToken(code) : signIn(code));
    client.restart();
  });
  const refused = location.search === "?sign-in=refused" && !action.error;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void action.run();
  };
  return (
    <main className="grid h-full place-items-center p-4">
      <form onSubmit={submit} className="card w-full max-w-md p-6">
        <Logo />
        <h1 className="mt-5 text-lg font-semibold">Sign in</h1>
        <p className="mt-1 text-sm text-muted">
          Open the link that the server printed when it started, or paste it here. Each link works once, for ten
          minutes; start the server again for a new one. Who was given a token signs in with that.
        </p>
        <label className="label mt-4" htmlFor="code">
          Link, code or token
        </label>
        <input
          id="code"
          className="field"
          value={given}
          onChange={(event) => setGiven(event.target.value)}
          autoComplete="one-time-code"
          required
        />
        {refused && (
          <p role="alert" className="mt-2 text-sm text-bad">
            This link was used already, is too old, or is not of this server.
          </p>
        )}
        {action.error && (
          <p role="alert" className="mt-2 text-sm text-bad">
            {action.error}
          </p>
        )}
        <button type="submit" className="button button-main mt-4 w-full" disabled={action.busy}>
          Sign in
        </button>
      </form>
    </main>
  );
}

/** Of this server, or a JWT; a code has neither this beginning nor dots. */
function isToken(given: string): boolean {
  return given.startsWith("vgp_") || given.split(".").length === 3;
}

function codeOf(given: string): string {
  const text = given.trim();
  return /[?&]code=([^&\s]+)/.exec(text)?.[1] ?? text;
}
