import { createHash } from "node:crypto";
import type { AwsDeploymentPlan } from "../../plan/aws/deployment.ts";

/** The value of the parameter `<prefix>/deployment`: what the host is to run. */
export interface Deployment extends AwsDeploymentPlan {
  readonly schema: 1;
  /** A hash of the rest: it is the same when, and only when, everything else is. */
  readonly id: string;
  /** By digest: a tag could be moved under it. */
  readonly image: string;
}

/** The plan with its image, in one order of keys whatever order they came in. */
export function renderDeployment(plan: AwsDeploymentPlan, image: string): Deployment {
  const rest = {
    image,
    environment: sorted(plan.environment),
    secrets: sorted(plan.secrets),
    gpus: plan.gpus,
    stopSeconds: plan.stopSeconds,
    ...(plan.command ? { command: plan.command } : {}),
  };
  const id = createHash("sha256").update(JSON.stringify(rest)).digest("hex").slice(0, 16);
  return { schema: 1, id, ...rest };
}

const sorted = (record: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
