import { describe, expect, it } from "vitest";
import { type Me, type Members, refusalIn, refusalOf, roleIn } from "../src/access";
import { reduce } from "../src/store/reduce";
import { emptySession } from "../src/store/session";
import { Log } from "./frames";

const me = (role: Me["role"]): Me => ({ user: "ada", role });

describe("what one may do", () => {
  it("is the lower of what the token and the membership allow", () => {
    const members: Members = new Map([["ada", "owner"]]);
    expect(refusalIn(members, me("editor"), "manage")).toBeNull();
    expect(refusalIn(members, me("editor"), "decide")).toContain("a token with the role approver");
    expect(refusalIn(new Map([["ada", "viewer"]]), me("approver"), "edit")).toContain("you are here as viewer");
    expect(refusalOf(me("approver"), "owner")).toContain("yours has the role approver");
  });

  it("is as the token says without a role, the most of one's own and everybody's, and all for the server's owner", () => {
    expect(roleIn(new Map([["ada", null]]), me("approver"))).toBe("approver");
    const shared: Members = new Map<string, Me["role"] | null>([
      ["ada", "viewer"],
      ["*", "editor"],
    ]);
    expect(roleIn(shared, me("editor"))).toBe("editor");
    expect(roleIn(new Map(), me("owner"))).toBe("owner");
    expect(roleIn(new Map([["bob", "owner"]]), me("editor"))).toBeNull();
  });
});

it("follows who joins, leaves and is given another role", () => {
  const log = new Log();
  log.add("session_created", { project: "/p", title: "T", settings: {}, owner: "owner" }, null);
  log.add("member_joined", { user: "ada", role: null }, null);
  log.add("member_joined", { user: "bob", role: "viewer" }, null);
  log.add("role_changed", { user: "ada", role: "approver" }, null);
  log.add("member_left", { user: "bob" }, null);
  const { members } = reduce(emptySession("ses_1"), log.events);
  expect([...members]).toEqual([
    ["owner", "owner"],
    ["ada", "approver"],
  ]);
});
