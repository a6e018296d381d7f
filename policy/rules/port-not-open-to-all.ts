import { containerRule } from "./container-rule.ts";

/** Docker opens published ports past most firewalls. */
export const portNotOpenToAll = containerRule(
  "port-not-open-to-all",
  "Ports are bound to one address, not to all of the host's.",
  ({ ports = [] }) => {
    const open = ports.filter(({ ip }) => ip === undefined || ip === "" || ip === "0.0.0.0" || ip === "::");
    return open.length > 0
      ? `expected an address of its own for port ${open.map(({ external }) => external ?? "?").join(", ")}, got all. ` +
          "Fix: pulumi config set bindAddress 127.0.0.1"
      : undefined;
  },
);
