import { containerRule } from "./container-rule.ts";

/** A service that computes needs no capability of the kernel's. */
export const capabilitiesDropped = containerRule(
  "capabilities-dropped",
  "Containers drop every Linux capability and add none.",
  ({ capabilities }) => {
    if (!capabilities?.drops?.includes("ALL")) return 'expected capabilities.drops to have "ALL".';
    const added = capabilities.adds ?? [];
    return added.length > 0 ? `expected no capabilities.adds, got ${added.join(", ")}.` : undefined;
  },
);
