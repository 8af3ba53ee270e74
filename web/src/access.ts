/** Who may do what, as far as the page needs it: what one may not do is not offered, or says why. The server decides. */
export type Role = "viewer" | "editor" | "approver" | "owner";

/** Each may do what those before it may. */
export const ROLES: readonly Role[] = ["viewer", "editor", "approver", "owner"];

/** Of a session, by the user's name; `*` is everybody. `null` is a role as the member's token says. */
export type Members = ReadonlyMap<string, Role | null>;

export interface Me {
  readonly user: string;
  /** The most that the token allows, in whatever session. */
  readonly role: Role;
}

interface Need {
  readonly role: Role;
  /** What the token must allow, where that is less. */
  readonly token?: Role;
}

/** What something in a session needs; as the server's own table says. */
export const NEEDS = {
  edit: { role: "editor" },
  decide: { role: "approver" },
  manage: { role: "owner", token: "editor" },
} as const satisfies Record<string, Need>;

export const may = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed);

/** The role that somebody has in a session; who is no member has none. */
export function roleIn(members: Members, me: Me): Role | null {
  if (me.role === "owner") return "owner";
  const own = [me.user, "*"].filter((name) => members.has(name)).map((name) => members.get(name) ?? me.role);
  return own.reduce<Role | null>((most, role) => (most === null || may(role, most) ? role : most), null);
}

/** Why one may not do it, for people; `null` where one may. */
export function refusalIn(members: Members, me: Me, what: keyof typeof NEEDS): string | null {
  const need: Need = NEEDS[what];
  const role = roleIn(members, me) ?? "viewer";
  if (!may(role, need.role)) return `This needs the role ${need.role} in this session; you are here as ${role}.`;
  return refusalOf(me, need.token ?? need.role);
}

/** Why one may not steer the tasks: also where somebody else holds control of the session. */
export function steeringRefusal(members: Members, me: Me, holder: string | null): string | null {
  const why = refusalIn(members, me, "edit");
  if (why || holder === null || holder === me.user || roleIn(members, me) === "owner") return why;
  return `${holder} holds control of this session: ask for it under People.`;
}

/** The same for what is of no session. */
export function refusalOf(me: Me, needed: Role): string | null {
  return may(me.role, needed) ? null : `This needs a token with the role ${needed}; yours has the role ${me.role}.`;
}
