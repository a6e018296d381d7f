import * as dockerbuild from "@pulumi/docker-build";
import * as pulumi from "@pulumi/pulumi";
import type { RegistryImagePlan } from "../../plan/aws/image.ts";

/** Who may push where. */
interface Registry {
  readonly address: pulumi.Input<string>;
  readonly username: pulumi.Input<string>;
  readonly password: pulumi.Input<string>;
}

export interface PushedImageArgs {
  readonly plan: RegistryImagePlan;
  /** Where the image goes, without a tag. */
  readonly repositoryUrl: pulumi.Input<string>;
  readonly registry: Registry;
  /** For models behind a licence; handed to BuildKit by value, and in no layer, argument, attestation or log. */
  readonly hfToken?: pulumi.Input<string> | undefined;
  /** Called when the build fails: the provider itself tells the failed command and not what it said. */
  readonly onError?: pulumi.ErrorHook | undefined;
}

const COMPRESSION = {
  compression: "zstd",
  // Without a level the provider sends gzip; without force, layers of an older cache stay as they were.
  compressionLevel: 3,
  forceCompression: true,
  ociMediaTypes: true,
} as const;

/**
 * An image in a registry, known by its digest. It is pushed without a tag: the time of day in its provenance makes every
 * build another digest, and a tag made from the sources could then not be given twice, as a rollback needs. Its tag
 * is made from its digest, once that is known, and keeps it from being cleaned away. A second tag moves from build to
 * build, for the next one to find its cache.
 * A failed build is not tried again.
 */
export class PushedImage extends pulumi.ComponentResource {
  /** `<repository>@sha256:…`, once the image is pushed and tagged. */
  readonly imageReference: pulumi.Output<string>;

  constructor(name: string, args: PushedImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("imagegen:image:PushedImage", name, {}, opts);
    const { plan, hfToken, onError } = args;
    const repository = pulumi.output(args.repositoryUrl);
    const registry = { ...args.registry, password: pulumi.secret(args.registry.password) };
    const cache = pulumi.interpolate`${repository}:${plan.cacheTag}`;
    // A host may still pull an image that the stack has left behind.
    const kept = { parent: this, retainOnDelete: true };

    const image = new dockerbuild.Image(
      `${name}-image`,
      {
        context: { location: plan.context },
        ...(plan.dockerfile === null ? {} : { dockerfile: { location: plan.dockerfile } }),
        platforms: [plan.platform],
        network: plan.network,
        buildArgs: { ...plan.buildArgs },
        buildOnPreview: false,
        push: false,
        exports: [{ image: { push: true, pushByDigest: true, names: [repository], ...COMPRESSION } }],
        // The image is its own cache: one of its own is pushed beside the image, and sends the same layers once more.
        cacheFrom: [{ registry: { ref: cache } }],
        cacheTo: [{ inline: {} }],
        registries: [registry],
        ...(plan.builder === null ? {} : { builder: { name: plan.builder } }),
        ...(hfToken === undefined || plan.secrets.length === 0
          ? {}
          : {
              secrets: Object.fromEntries(plan.secrets.map((id) => [id, pulumi.secret(hfToken)])),
              // Another token is no other image.
              ignoreSecretsInDiffCalculation: [...plan.secrets],
            }),
      },
      // 12 GB on a slow line take longer than the engine's patience.
      {
        ...kept,
        customTimeouts: { create: "2h", update: "2h" },
        ...(onError ? { hooks: { onError: [onError] } } : {}),
      },
    );

    const reference = pulumi.interpolate`${repository}@${image.digest}`;
    const tagged = new dockerbuild.Index(
      `${name}-tag`,
      { tag: pulumi.interpolate`${repository}:${tagOf(image.digest)}`, sources: [reference], push: true, registry },
      kept,
    );
    new dockerbuild.Index(`${name}-cache`, { tag: cache, sources: [reference], push: true, registry }, kept);

    this.imageReference = pulumi.all([reference, tagged.ref]).apply(([known]) => known);
    this.registerOutputs({ imageReference: this.imageReference });
  }
}

/** Not `sha256-…`, which is where registries without another way keep what refers to an image. */
function tagOf(digest: pulumi.Output<string>): pulumi.Output<string> {
  return digest.apply((known) => known.replace("sha256:", "image-"));
}
