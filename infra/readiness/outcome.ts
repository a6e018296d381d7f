import type { ReadyState, ServiceError } from "./probe-result.ts";

/** How a wait ended. `silent`: nothing ever answered, so the container's log is the place to look. */
export type Outcome =
  | { readonly ready: true; readonly state: ReadyState }
  | { readonly ready: false; readonly reason: string; readonly silent: boolean };

export const failed = (reason: string): Outcome => ({ ready: false, reason, silent: false });

export const silent = (reason: string): Outcome => ({
  ready: false,
  reason: `nothing answers (${reason})`,
  silent: true,
});

/** The service's own words, without their full stop: the code follows. */
export const refused = ({ message, code }: ServiceError): Outcome => failed(`${message.replace(/\.$/, "")} (${code})`);
