import { containerRule } from "./container-rule.ts";

/** What can't be written can't be changed by whoever gets in; models and temporary files have places of their own. */
export const readOnlyRoot = containerRule("read-only-root", "Containers have a read-only root.", ({ readOnly }) =>
  readOnly ? undefined : "expected readOnly to be true.",
);
