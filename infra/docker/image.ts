/**
 * Stage 3, image. In: the image plan, the hash of what the image is made from, and secrets as files. Out: an image id that
 * changes when, and only when, the content does. Never knows hosts, and never reads a file: the build does.
 */
import { relative } from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { CONTENT_LABEL } from "../contract.ts";
import type { BuildSecretFile } from "../io/build-files.ts";
import type { ImagePlan } from "../plan/image.ts";
import { contentTag } from "../plan/image-tags.ts";

export interface ServingImageArgs {
  readonly plan: ImagePlan;
  /** Hash over the files that the build reads and its arguments. */
  readonly content: string;
  /** What the image is called besides. */
  readonly extraTags?: readonly string[];
  /** The image that another program put under this one's tag; it is built again then. */
  readonly foreign?: string | null;
  /** The id of the image that has this content, by the one that the provider found under the tag. */
  readonly identify?: (found: string) => Promise<string>;
  /** Files with what the build is given as BuildKit secrets. */
  readonly secretFiles?: readonly BuildSecretFile[];
  /** Called when the build fails: the provider itself reports the last command's exit code and no more. */
  readonly onError?: pulumi.ErrorHook;
}

/**
 * The service's image, built by the BuildKit of the Docker daemon that also runs it: nothing is pushed or pulled back.
 * A preview builds nothing. The image stays in the daemon when the stack goes, as a cache for the next build.
 */
export class ServingImage extends pulumi.ComponentResource {
  /** What a container refers to. Any `docker tag` could move a tag under it. */
  readonly imageId: pulumi.Output<string>;
  readonly imageName: pulumi.Output<string>;

  constructor(name: string, args: ServingImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:image:ServingImage", name, {}, opts);
    const { plan, content, extraTags = [], foreign = null, identify, secretFiles = [], onError } = args;

    const image = new docker.RemoteImage(
      `${name}-image`,
      {
        name: contentTag(plan, content),
        keepLocally: true,
        triggers: { content, ...(foreign === null ? {} : { instead: foreign }) },
        build: {
          context: plan.context,
          // The provider looks for it from the context on.
          ...(plan.dockerfile === null ? {} : { dockerfile: relative(plan.context, plan.dockerfile) }),
          // Without a name, the provider may choose a builder that can't see the daemon's images.
          builder: "default",
          buildArgs: { ...plan.buildArgs },
          label: { [CONTENT_LABEL]: content },
          ...(extraTags.length === 0 ? {} : { tags: [...extraTags] }),
          buildLogFile: plan.logFile,
          // With a containerd image store, its time of day would make every build another image id.
          provenance: "false",
          ...(plan.network === null ? {} : { networkMode: plan.network }),
          ...(secretFiles.length === 0 ? {} : { secrets: [...secretFiles] }),
        },
      },
      // A model of 7 GB on a slow line takes longer than the provider's 20 minutes.
      { parent: this, customTimeouts: { create: "2h" }, ...(onError ? { hooks: { onError: [onError] } } : {}) },
    );

    this.imageId = identify ? image.imageId.apply(identify) : image.imageId;
    this.imageName = image.name;
    this.registerOutputs({ imageId: this.imageId, imageName: this.imageName });
  }
}
