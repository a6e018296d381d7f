/**
 * Stage 5, host, of a stack with workers. In: an image id, a volume and the fleet's plan. Out: a gateway behind the contract of
 * one service, with workers and a queue behind it.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { LocalFleetPlan } from "../plan/fleet/local-fleet.ts";
import { DockerHost, type DockerHostArgs } from "./container.ts";
import { createEmulator } from "./emulator.ts";

export interface LocalFleetArgs extends Omit<DockerHostArgs, "plan"> {
  readonly plan: LocalFleetPlan;
}

/** The whole path of a fleet on one machine: gateway, queue, job store and workers, all from the one image but the emulator. */
export class LocalFleet extends pulumi.ComponentResource {
  /** The gateway's. */
  readonly containerId: pulumi.Output<string>;
  readonly containerName: pulumi.Output<string>;

  constructor(name: string, { plan, ...args }: LocalFleetArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:host:LocalFleet", name, {}, opts);
    const parent = { parent: this };

    const network = new docker.Network(`${name}-network`, { name: plan.network }, parent);
    const emulator = createEmulator(name, plan.emulator, { ...parent, dependsOn: [network] });
    const behind = { ...parent, dependsOn: [emulator] };
    const workers = plan.workers.map(
      (worker, index) => new DockerHost(`${name}-worker-${index + 1}`, { plan: worker, ...args }, behind),
    );
    const gateway = new DockerHost(
      `${name}-gateway`,
      { plan: plan.gateway, ...args },
      { ...parent, dependsOn: [emulator, ...workers] },
    );

    this.containerId = gateway.containerId;
    this.containerName = gateway.containerName;
    this.registerOutputs({ containerId: this.containerId, containerName: this.containerName });
  }
}
