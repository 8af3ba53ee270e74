import { CircleAlert, RefreshCw, WifiOff } from "lucide-react";
import type { ReactNode } from "react";
import { useClient } from "../store/client";
import type { SessionState } from "../store/session";
import { useStore } from "../store/store";
import { useNow } from "./hooks";

const FEW = 50;

/** What is wrong with the connection, or what is being caught up; nothing where all is well. */
export function Banner({ session }: { session: SessionState | null }) {
  const client = useClient();
  const status = useStore(client.status);
  const draining = useStore(client.draining);
  const now = useNow(status.kind === "waiting");
  switch (status.kind) {
    case "connecting":
      return <Line icon={<RefreshCw size={15} className="spin" aria-hidden />}>Connecting …</Line>;
    case "waiting": {
      const seconds = Math.max(0, Math.ceil((status.retryAt - now) / 1000));
      return (
        <Line icon={<WifiOff size={15} aria-hidden />} warn>
          The connection is lost{status.reason && `: ${status.reason.replace(/\.$/, "")}`}. What you do is kept and sent
          when it is back. Next try in {seconds} s.{" "}
          <button type="button" className="font-medium underline" onClick={() => client.retryNow()}>
            Try now
          </button>
        </Line>
      );
    }
    case "ended":
      return (
        <Line icon={<CircleAlert size={15} aria-hidden />} warn>
          {status.reason}{" "}
          <button type="button" className="font-medium underline" onClick={() => client.restart()}>
            Connect again
          </button>
        </Line>
      );
    case "signed_out":
      return null;
    case "open": {
      if (draining)
        return (
          <Line icon={<RefreshCw size={15} aria-hidden />}>The server is stopping. This page comes back with it.</Line>
        );
      const missing = session ? session.headSeq - session.seq : 0;
      if (!session || missing < FEW) return null;
      return (
        <Line icon={<RefreshCw size={15} className="spin" aria-hidden />}>
          Catching up: {session.seq} of {session.headSeq} events.
        </Line>
      );
    }
    default: {
      const unknown: never = status;
      return unknown;
    }
  }
}

function Line({ icon, warn = false, children }: { icon: ReactNode; warn?: boolean; children: ReactNode }) {
  return (
    <div
      role="status"
      className={`flex items-center gap-2 px-4 py-1.5 text-sm ${warn ? "bg-warn-soft text-warn" : "bg-raised text-muted"}`}
    >
      <span className="shrink-0">{icon}</span>
      <span>{children}</span>
    </div>
  );
}
