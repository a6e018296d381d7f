import * as docker from "@pulumi/docker";
import type * as pulumi from "@pulumi/pulumi";
import type { EmulatorPlan } from "../plan/fleet/local-fleet.ts";

/** What stands in for SQS and S3. Nothing of it is kept, and no port of this machine leads to it. */
export function createEmulator(name: string, plan: EmulatorPlan, opts: pulumi.CustomResourceOptions) {
  return new docker.Container(
    `${name}-emulator`,
    {
      name: plan.containerName,
      image: plan.image,
      networkMode: plan.network,
      restart: "unless-stopped",
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges:true"],
      logDriver: "json-file",
      logOpts: { "max-size": "10m", "max-file": "3" },
    },
    { ...opts, deleteBeforeReplace: true },
  );
}
