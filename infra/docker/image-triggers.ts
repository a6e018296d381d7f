import { createHash } from "node:crypto";
import type { ImagePlan } from "../plan/image.ts";

/** What makes the image anew: the files of the build and its arguments. A secret's value does not. */
export function imageTriggers(plan: ImagePlan, contextHash: string): Record<string, string> {
  const args = Object.entries(plan.buildArgs).sort(([a], [b]) => (a < b ? -1 : 1));
  const content = createHash("sha256")
    .update(JSON.stringify([contextHash, args]))
    .digest("hex");
  return { content };
}
