import { containerRule } from "./container-rule.ts";

/** Without it, a set-user-id program in the image gives back what was dropped. */
export const noNewPrivileges = containerRule(
  "no-new-privileges",
  "Processes of containers can't gain privileges.",
  ({ securityOpts = [] }) =>
    securityOpts.some((option) => option === "no-new-privileges" || option === "no-new-privileges:true")
      ? undefined
      : 'expected securityOpts to have "no-new-privileges:true".',
);
