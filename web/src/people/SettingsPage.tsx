import { ArrowLeft, LogOut } from "lucide-react";
import type { ReactNode } from "react";
import { refusalOf } from "../access";
import { signOut } from "../http";
import { useAction } from "../page/hooks";
import { notifying, turnOffNotifications, turnOnNotifications } from "../page/notifications";
import { Segments } from "../page/Segments";
import { chooseTheme, type Theme, theme } from "../page/theme";
import { chooseDiffLook, type DiffLook, diffLook } from "../panels/diff_look";
import { useClient } from "../store/client";
import { useStore } from "../store/store";
import { RoleWords } from "./RoleSelect";
import { ROLE_WORDS } from "./roles";
import { Tokens } from "./Tokens";

const THEMES: { value: Theme; word: string; about: string }[] = [
  { value: "system", word: "As the system", about: "Light or dark, as the system is" },
  { value: "light", word: "Light", about: "Always light" },
  { value: "dark", word: "Dark", about: "Always dark" },
];
const LOOKS: { value: DiffLook; word: string; about: string }[] = [
  { value: "unified", word: "Unified", about: "What goes above what comes" },
  { value: "split", word: "Split", about: "What was beside what is" },
];

/** What is of no session: who one is, how the page looks, and who else may come in. */
export function SettingsPage({ menu }: { menu: ReactNode }) {
  const client = useClient();
  const me = useStore(client.me);
  const status = useStore(client.status);
  const why = refusalOf(me, "owner");
  const leave = useAction(async () => {
    await signOut();
    client.restart();
  });
  return (
    <div className="mx-auto w-full max-w-3xl p-4 pb-16">
      <div className="mb-4 flex items-center gap-2">
        {menu}
        <button
          type="button"
          className="button button-quiet button-icon"
          aria-label="Back"
          title="Back"
          onClick={() => client.places.go({ sessionId: null, seq: null })}
        >
          <ArrowLeft size={18} aria-hidden />
        </button>
        <h1 className="text-2xl font-semibold tracking-tight">Settings</h1>
      </div>
      <Section title="You">
        <p>
          <span className="font-medium">{me.user}</span>, with a token of the role{" "}
          <span className="font-medium">{me.role}</span>.
        </p>
        <p className="text-sm text-muted">
          It {ROLE_WORDS[me.role]}.{" "}
          {status.kind === "open" &&
            `Commands of agents run in: ${status.welcome.sandbox}. Version ${status.welcome.server_version}.`}
        </p>
        <button type="button" className="button mt-3" disabled={leave.busy} onClick={() => void leave.run()}>
          <LogOut size={15} aria-hidden /> Sign out in this browser
        </button>
        {leave.error && <p className="mt-2 text-sm text-bad">{leave.error}</p>}
      </Section>
      <Section title="How the page looks">
        <div className="flex flex-wrap gap-3">
          <Segments label="Theme" options={THEMES} chosen={useStore(theme)} onChoose={chooseTheme} />
          <Segments label="Changes" options={LOOKS} chosen={useStore(diffLook)} onChoose={chooseDiffLook} />
        </div>
      </Section>
      <Section title="Notifications">
        <Notifications />
      </Section>
      <Section title="API tokens">
        {why ? <p className="text-sm text-muted">{why}</p> : <Tokens />}
        <RoleWords />
      </Section>
    </div>
  );
}

function Notifications() {
  const on = useStore(notifying);
  const change = useAction(async () => (on ? turnOffNotifications() : await turnOnNotifications()));
  return (
    <>
      <label className="flex items-center gap-2 text-sm">
        <input
          type="checkbox"
          className="size-4 accent-fill"
          checked={on}
          disabled={change.busy}
          onChange={() => void change.run()}
        />
        Tell me when a session needs me, is done or has failed while I do not look at this page
      </label>
      {change.error && (
        <p role="alert" className="mt-2 text-sm text-bad">
          {change.error}
        </p>
      )}
    </>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card mb-4 p-4" aria-label={title}>
      <h2 className="mb-2 font-semibold">{title}</h2>
      {children}
    </section>
  );
}
