import { containerRule } from "./container-rule.ts";

/** A privileged container is root on the host. GPUs do not need one. */
export const notPrivileged = containerRule("not-privileged", "No container is privileged.", ({ privileged }) =>
  privileged ? "expected privileged to be false." : undefined,
);
