/**
 * Stage 4, cache. In: the cache plan. Out: the volume that models are kept in; the environment that finds them there is
 * data of the plan. Never knows images, and never deletes a model that took an hour to download.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { CachePlan } from "../plan/container.ts";

/**
 * A named Docker volume, or a folder of this machine, which is nobody's to make or to delete. One that is there already, made by Compose or by an earlier stack, is taken over as it is.
 * Not protected: a protected volume makes `pulumi destroy` fail; a retained one lets it succeed and keeps the data.
 */
export class ModelVolume extends pulumi.ComponentResource {
  readonly volumeName: pulumi.Output<string>;

  constructor(name: string, { plan }: { readonly plan: CachePlan }, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:cache:ModelVolume", name, {}, opts);

    if (plan.kind === "bind") {
      this.volumeName = pulumi.output(plan.volumeName);
      this.registerOutputs({ volumeName: this.volumeName });
      return;
    }
    const volume = new docker.Volume(
      `${name}-volume`,
      { name: plan.volumeName },
      {
        parent: this,
        retainOnDelete: plan.retain,
        // Compose labels its volumes; a difference there must never replace one.
        ignoreChanges: ["labels", "driver", "driverOpts"],
      },
    );

    this.volumeName = volume.name;
    this.registerOutputs({ volumeName: this.volumeName });
  }
}
