import * as pulumi from "@pulumi/pulumi";
import type { ReadinessPlan } from "../plan/readiness.ts";
import type { Success } from "./probe-result.ts";

export function withLog(headline: string, log: readonly string[]): string {
  if (log.length === 0) return headline;
  return [`${headline}. The end of its log:`, ...log.map((line) => `  ${line}`)].join("\n");
}

/** Says where the service is ready, but is not what was planned. */
export async function warnOfDevice({ device: planned }: ReadinessPlan, { state }: Success): Promise<void> {
  if (state.device !== null && !state.device.startsWith(planned)) {
    await pulumi.log.warn(`planned for ${planned}, but the service runs on ${state.device}`);
  }
}
