/** The failures that are rehearsed, in the order in which a first deployment meets them. Apart, so that the fake is loaded only where it is used. */
export const CASE_NAMES = [
  "build",
  "rights-role",
  "quota-network",
  "quota-volume",
  "rights-host",
  "quota-host",
  "capacity",
  "capacity-group",
  "service",
] as const;

export type CaseName = (typeof CASE_NAMES)[number];
