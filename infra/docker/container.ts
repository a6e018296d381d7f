/**
 * Stage 5, host. In: an image id, a volume and the host plan. Out: one running container behind one contract.
 * Never knows how a model loads; whether it did is the health stage's question.
 */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { containerArgs, type DockerHostArgs } from "./container-args.ts";

/**
 * The service on this machine's Docker. A change of its image or settings replaces the container, the old one first:
 * both have one name and one port. Models are in the volume, so this costs seconds.
 */
export class DockerHost extends pulumi.ComponentResource {
  /** Changes with every replacement. */
  readonly containerId: pulumi.Output<string>;
  readonly containerName: pulumi.Output<string>;

  constructor(name: string, args: DockerHostArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:host:DockerHost", name, {}, opts);

    const container = new docker.Container(`${name}-container`, containerArgs(args), {
      parent: this,
      deleteBeforeReplace: true,
      // The provider reports these as changed in place, and leaves the container as it was.
      replaceOnChanges: ["healthcheck", "tmpfs", "init"],
    });

    this.containerId = container.id;
    this.containerName = container.name;
    this.registerOutputs({ containerId: this.containerId, containerName: this.containerName });
  }
}
