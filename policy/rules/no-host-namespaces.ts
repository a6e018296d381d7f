import { containerRule } from "./container-rule.ts";

/** In the host's namespaces a container sees, and with its network reaches, what is none of its business. */
export const noHostNamespaces = containerRule(
  "no-host-namespaces",
  "Containers have a network, processes and shared memory of their own.",
  (container) => {
    const shared = (["networkMode", "pidMode", "ipcMode"] as const).filter((key) => container[key] === "host");
    return shared.length > 0 ? `expected ${shared.join(", ")} other than host.` : undefined;
  },
);
