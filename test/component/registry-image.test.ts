import { expect, test } from "vitest";
import { RegistryImage } from "../../infra/aws/image/registry-image.ts";
import { planRegistryImage, type RegistryImageOptions } from "../../infra/plan/aws/image.ts";
import { awsPlanWith } from "../support/aws-settings.ts";
import { known, read } from "../support/outputs.ts";
import { type RunOptions, runProgram, theOnly } from "../support/program.ts";
import { planWith } from "../support/settings.ts";

const REPOSITORY = "aws:ecr/repository:Repository";
const IMAGE = "docker-build:index:Image";
const URL = "123456789012.dkr.ecr.us-east-1.amazonaws.com/image-gen-repository-0123456";
const DIGEST = `sha256:${"ab".repeat(32)}`;
const LOGIN = {
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": { userName: "AWS", password: "of twelve hours" },
};

const options: RunOptions = {
  answers: LOGIN,
  outputs: ({ type }) => {
    if (type === REPOSITORY) return { repositoryUrl: URL, arn: "arn:aws:ecr:us-east-1:123456789012:repository/x" };
    return type === IMAGE ? { digest: DIGEST } : {};
  },
};

const plan = (changes: Partial<RegistryImageOptions> = {}, settings = {}) =>
  planRegistryImage(planWith(settings).image, {
    builder: null,
    platform: "linux/amd64",
    kmsKeyArn: null,
    retain: true,
    ...changes,
  });

const make = async (chosen = plan(), more: RunOptions = {}) =>
  runProgram(() => new RegistryImage("image-gen", { plan: chosen, hfToken: "hf_value" }), { ...options, ...more });

test("one repository with a lifecycle, one image, two tags", async () => {
  const { resources } = await make();
  expect(resources.map(({ type, name, options: { retainOnDelete } }) => [type, name, retainOnDelete]).sort()).toEqual([
    ["aws:ecr/lifecyclePolicy:LifecyclePolicy", "image-gen-lifecycle", true],
    [REPOSITORY, "image-gen-repository", true],
    [IMAGE, "image-gen-image", true],
    ["docker-build:index:Index", "image-gen-cache", true],
    ["docker-build:index:Index", "image-gen-tag", true],
    ["imagegen:image:EcrRepository", "image-gen", false],
    ["imagegen:image:PushedImage", "image-gen", false],
    ["imagegen:image:RegistryImage", "image-gen", false],
  ]);
});

test("the repository: no tag is moved but the cache's, what is pushed is scanned, what has a tag stays", async () => {
  const { resources } = await make();
  expect(theOnly(resources, REPOSITORY).inputs).toEqual({
    imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
    imageTagMutabilityExclusionFilters: [{ filter: "cache-*", filterType: "WILDCARD" }],
    imageScanningConfiguration: { scanOnPush: true },
    encryptionConfigurations: [{ encryptionType: "AES256" }],
    forceDelete: false,
  });
  const { rules } = theOnly(resources, "aws:ecr/lifecyclePolicy:LifecyclePolicy").inputs.policy as { rules: object[] };
  expect(rules).toMatchObject([{ selection: { tagStatus: "untagged", countNumber: 14 }, action: { type: "expire" } }]);
});

test("a repository is kept as the data volume is: protected, and left to AWS when the stack goes", async () => {
  const own = awsPlanWith().image;
  expect(own.retain).toBe(true);
  expect(awsPlanWith({ imagesOnDestroy: "delete" }).image.retain).toBe(false);
  const { resources } = await make({ ...own, context: "image-gen" });
  expect(theOnly(resources, REPOSITORY).options).toMatchObject({ protect: true, retainOnDelete: true });
});

test("a customer's key, and a repository that goes with its stack", async () => {
  const { resources } = await make(plan({ kmsKeyArn: "arn:aws:kms:us-east-1:1:key/x", retain: false }));
  const { inputs, options } = theOnly(resources, REPOSITORY);
  expect(options.protect).toBe(false);
  expect(inputs.encryptionConfigurations).toEqual([{ encryptionType: "KMS", kmsKey: "arn:aws:kms:us-east-1:1:key/x" }]);
  expect([inputs.forceDelete, options.retainOnDelete]).toEqual([true, false]);
});

test("the image: pushed by digest, zstd, its own cache, with provenance and packages, and no preview builds it", async () => {
  const { resources } = await make();
  expect(theOnly(resources, IMAGE).inputs).toEqual({
    context: { location: "image-gen" },
    platforms: ["linux/amd64"],
    network: "default",
    buildArgs: {
      BASE_IMAGE: "python:3.12.12-slim-bookworm",
      BUILDKIT_ATTEST_PROVENANCE: "mode=max",
      BUILDKIT_ATTEST_SBOM: "generator=docker/buildkit-syft-scanner:1.12.0",
    },
    buildOnPreview: false,
    push: false,
    exports: [
      {
        image: {
          push: true,
          pushByDigest: true,
          names: [URL],
          compression: "zstd",
          compressionLevel: 3,
          forceCompression: true,
          ociMediaTypes: true,
        },
      },
    ],
    cacheFrom: [{ registry: { ref: `${URL}:cache-build` } }],
    cacheTo: [{ inline: {} }],
    registries: {
      secret: [
        {
          address: "123456789012.dkr.ecr.us-east-1.amazonaws.com",
          username: "AWS",
          password: "of twelve hours",
        },
      ],
    },
  });
});

test("a gated model's token goes in as a build secret alone, and another one is no change", async () => {
  const baked = { modelCache: "baked", modelId: "org/model", hasToken: true } as const;
  const { inputs } = theOnly((await make(plan({ builder: "mine" }, baked))).resources, IMAGE);
  expect(inputs.secrets).toEqual({ secret: { hf_token: "hf_value" } });
  expect(inputs.ignoreSecretsInDiffCalculation).toEqual(["hf_token"]);
  expect(inputs.builder).toEqual({ name: "mine" });
  expect(JSON.stringify({ ...inputs, secrets: null })).not.toContain("hf_value");
});

test("tagged with its digest, and as the next build's cache", async () => {
  const { resources } = await make();
  const tags = resources.filter(({ type }) => type === "docker-build:index:Index").map(({ inputs }) => inputs);
  const sources = [`${URL}@${DIGEST}`];
  expect(tags.map(({ tag }) => tag).sort()).toEqual([
    `${URL}:cache-build`,
    `${URL}:${DIGEST.replace("sha256:", "image-")}`,
  ]);
  for (const inputs of tags) expect(inputs).toMatchObject({ sources, push: true });
});

test("a host is given the digest, which a preview of a new image can't know", async () => {
  const image = () => new RegistryImage("image-gen", { plan: plan() });
  const up = await runProgram(async () => known(image().imageReference), options);
  expect(up.result).toBe(`${URL}@${DIGEST}`);
  const preview = await runProgram(async () => read(image().imageReference), { answers: LOGIN, preview: true });
  expect(preview.result.known).toBe(false);
});
