import type { ImagePlan } from "../image.ts";

/** How the image is built for, and kept in, a registry that hosts pull from. */
export interface RegistryImagePlan {
  readonly context: string;
  /** A Dockerfile that is used in place of the context's own; null: that one. */
  readonly dockerfile: string | null;
  /** The build's own arguments, and those that ask BuildKit for attestations. */
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Names of the BuildKit secrets that the build needs. */
  readonly secrets: readonly "hf_token"[];
  readonly network: "host" | "default";
  readonly platform: "linux/amd64";
  /** A buildx builder; null: the one that docker-build chooses. */
  readonly builder: string | null;
  /** The tag that a build finds the last build's layers under: the one tag that is moved. */
  readonly cacheTag: string;
  /** What tags start with that may be moved; the image's own never do. */
  readonly movableTags: string;
  /** Days after which what no tag points to is removed. */
  readonly untaggedDays: number;
  /** Customer key of the repository; null: the registry's own. */
  readonly kmsKeyArn: string | null;
  /** Whether the repository and its images outlive the stack. */
  readonly retain: boolean;
  /** Whether a placeholder stands for the registry's password, which a preview may not ask for. */
  readonly withoutPassword: boolean;
}

/** What the registry's side of a stack adds to its image. */
export interface RegistryImageOptions {
  readonly builder: string | null;
  readonly platform: "linux/amd64";
  readonly kmsKeyArn: string | null;
  readonly retain: boolean;
  readonly withoutPassword?: boolean;
  /** Another scanner than the pinned one, say from a mirror. */
  readonly sbomGenerator?: string;
}

/** BuildKit's scanner of packages. It runs over the finished layers, in a container of its own. */
const SBOM_GENERATOR = "docker/buildkit-syft-scanner:1.12.0";

/** `max` names the Dockerfile, its steps and the build arguments; secrets are in none of these. */
const PROVENANCE = "mode=max";

export function planRegistryImage(image: ImagePlan, options: RegistryImageOptions): RegistryImagePlan {
  const { builder, platform, kmsKeyArn, retain, withoutPassword = false, sbomGenerator = SBOM_GENERATOR } = options;
  return {
    context: image.context,
    dockerfile: image.dockerfile,
    buildArgs: {
      ...image.buildArgs,
      // docker-build has no input for attestations; BuildKit reads these arguments as the same request.
      BUILDKIT_ATTEST_PROVENANCE: PROVENANCE,
      BUILDKIT_ATTEST_SBOM: `generator=${sbomGenerator}`,
    },
    secrets: image.secrets.filter((id) => id === "hf_token"),
    network: image.network ?? "default",
    platform,
    builder,
    cacheTag: "cache-build",
    movableTags: "cache-*",
    untaggedDays: 14,
    kmsKeyArn,
    retain,
    withoutPassword,
  };
}
