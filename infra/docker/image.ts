/**
 * Stage 3, image. In: the image plan, the hash of the build's files, and secrets as files. Out: an image id that changes
 * when, and only when, the content does. Never knows hosts, and never reads a file: the build does.
 */
import { createHash } from "node:crypto";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { ImagePlan } from "../plan/image.ts";

export interface ServingImageArgs {
  readonly plan: ImagePlan;
  /** Hash over the files that the build reads. */
  readonly contextHash: string;
  /** File with the Hugging Face token, for a build that needs it; it is in no layer, argument or log. */
  readonly tokenFile?: pulumi.Input<string> | undefined;
  /** Called when the build fails: the provider itself reports the last command's exit code and no more. */
  readonly onError?: pulumi.ErrorHook;
}

/**
 * The service's image, built by the BuildKit of the Docker daemon that also runs it: nothing is pushed or pulled back.
 * A preview builds nothing. The image stays in the daemon when the stack goes, as a cache for the next build.
 */
export class ServingImage extends pulumi.ComponentResource {
  /** What a container refers to. A tag could be moved under it. */
  readonly imageId: pulumi.Output<string>;
  readonly imageName: pulumi.Output<string>;

  constructor(name: string, args: ServingImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:image:ServingImage", name, {}, opts);
    const { plan, contextHash, tokenFile, onError } = args;

    const image = new docker.RemoteImage(
      `${name}-image`,
      {
        name: plan.name,
        keepLocally: true,
        triggers: imageTriggers(plan, contextHash),
        build: {
          context: plan.context,
          // Without a name, the provider may choose a builder that can't see the daemon's images.
          builder: "default",
          buildArgs: { ...plan.buildArgs },
          buildLogFile: plan.logFile,
          // With a containerd image store, its time of day would make every build another image id.
          provenance: "false",
          ...(plan.network === null ? {} : { networkMode: plan.network }),
          ...(tokenFile === undefined ? {} : { secrets: plan.secrets.map((id) => ({ id, src: tokenFile })) }),
        },
      },
      // A model of 7 GB on a slow line takes longer than the provider's 20 minutes.
      { parent: this, customTimeouts: { create: "2h" }, ...(onError ? { hooks: { onError: [onError] } } : {}) },
    );

    this.imageId = image.imageId;
    this.imageName = image.name;
    this.registerOutputs({ imageId: this.imageId, imageName: this.imageName });
  }
}

/** The image is built again when one of these changes: the files of the build, its arguments. A secret's value is none. */
export function imageTriggers(plan: ImagePlan, contextHash: string): Record<string, string> {
  const args = Object.entries(plan.buildArgs).sort(([a], [b]) => (a < b ? -1 : 1));
  const content = createHash("sha256")
    .update(JSON.stringify([contextHash, args]))
    .digest("hex");
  return { content };
}
