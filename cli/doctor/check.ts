import type { ErrorDetail } from "../core/exit.ts";

/** One line of doctor: what was checked, the result and its fix. */
export interface Check extends ErrorDetail {
  readonly id: string;
  /** `unknown`: the check could not be made (no permission, no answer), which is no failure. */
  readonly status: "ok" | "warn" | "fail" | "unknown";
}

const made =
  (status: Check["status"]) =>
  (id: string, message: string, fix?: string): Check => ({ id, status, message, ...(fix ? { fix } : {}) });

export const ok = made("ok");
export const warn = made("warn");
export const fail = made("fail");
export const unknown = made("unknown");
