import { API_KEY_VARIABLE, API_KEYS_FILE_VARIABLE, isLoopback } from "../../infra/contract.ts";
import { containerRule } from "./container-rule.ts";

/** Stricter than the program, which takes `allowUnauthenticated` for an answer. */
export const keyForOpenPort = containerRule(
  "key-for-open-port",
  "A port that others reach has an API key.",
  ({ ports = [], envs }) => {
    const open = ports.find(({ ip = "" }) => !isLoopback(ip));
    // What is not known yet is missing.
    const keyless =
      envs !== undefined &&
      !envs.some((pair) => [API_KEY_VARIABLE, API_KEYS_FILE_VARIABLE].includes(/^(\w+)=./.exec(pair)?.[1] ?? ""));
    return open && keyless
      ? `expected a key for port ${open.external ?? "?"} at ${open.ip || "every address"}, got none. Fix: pulumi config set --secret apiKey`
      : undefined;
  },
);
