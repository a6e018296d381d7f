/** The program of a stack for CI. In: settings. Out: outputs, with the commands that set up GitHub or GitLab. */
import * as aws from "@pulumi/aws";
import type { CiSettings } from "../../config/ci/settings.ts";
import { awsPartition } from "../../plan/aws/arn.ts";
import { makeCiPlan } from "../../plan/ci/plan.ts";
import type { ProgramContext } from "../../program-context.ts";
import { createProvider } from "../lookups.ts";
import { CiAccess } from "./ci-access.ts";
import { type CiOutputs, ciOutputs } from "./outputs.ts";
import { StateStore } from "./state-store.ts";

export function ci(settings: CiSettings, { stack }: Pick<ProgramContext, "stack">): CiOutputs {
  const plan = makeCiPlan(settings, stack);
  const name = plan.bucketPrefix;
  const opts = { provider: createProvider(name, plan) };
  const account = aws.getCallerIdentityOutput({}, opts).accountId;

  const store = new StateStore(name, { plan, account }, opts);
  const place = { partition: awsPartition(plan.region), region: plan.region, account };
  const { bucketArn, keyArn } = store;
  const access = new CiAccess(name, { plan, place: { ...place, bucketArn, keyArn } }, opts);

  return ciOutputs(plan, { store, access });
}
