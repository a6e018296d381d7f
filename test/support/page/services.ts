/** The services that the page's tests share. Each worker of vitest has its own: what one file sends does not wait behind another's pictures. */
import { inject } from "vitest";

export const KEY = "the-key";

/** `demo`: the demo model. `locked`: asks for a key, has two LoRAs, and paints noise at once. `plain`: takes a prompt and a number of steps. */
export type ServiceName = "demo" | "locked" | "plain";

declare module "vitest" {
  interface ProvidedContext {
    /** The services of each worker, by their addresses. */
    services: readonly Readonly<Record<ServiceName, string>>[];
  }
}

export function serviceUrl(name: ServiceName): string {
  const own = inject("services")[Number(process.env.VITEST_POOL_ID) - 1];
  if (!own) throw new Error(`no services for worker ${process.env.VITEST_POOL_ID}`);
  return own[name];
}
