import { describe, expect, test } from "vitest";
import { imagegenReader } from "../../../../infra/command-line.ts";
import { wordForPulumi } from "../../../../infra/config/problem.ts";
import {
  BASE_THROUGHPUT_MIB,
  INSTANCE_TYPES,
  sustainedThroughputMib,
} from "../../../../infra/plan/aws/instance-types.ts";
import { instanceTypeProblems, makeAwsPlan, modelProblems } from "../../../../infra/plan/aws/plan.ts";
import { gpuMemoryNeededMib, type Manifest, modelSize } from "../../../../infra/plan/manifest.ts";
import { ALB, awsPlanWith, awsSettings } from "../../../support/aws-settings.ts";
import { manifest, planWith } from "../../../support/settings.ts";

const weights = (bytes: number) => ({ path: "weights.safetensors", bytes, sha256: "c".repeat(64) });

const SNAPSHOT = "snap-0123456789abcdef0";
const HF = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hf-AbCdEf";
const CLOSED = { network: "endpoints-only", modelCache: "baked" } as const;

describe("data volume", () => {
  // 10 GB of model: three of them and 20 GiB to spare are 48 GiB.
  test.each([
    [{}, 50],
    [{ volumeSizeGb: "10" }, 10],
    [{ volumeIops: "40000" }, 80],
    [{ modelId: "org/unknown" }, 60],
  ])("with %j it has %d GiB", (raw: Record<string, string>, sizeGib) => {
    const manifest = "modelId" in raw ? null : undefined;
    const plan = manifest === null ? makeAwsPlan(awsSettings(raw), null, "prod") : awsPlanWith(raw);
    expect(plan.volume.sizeGib).toBe(sizeGib);
  });

  test("is what config says, and blank unless it comes from somewhere", () => {
    expect(awsPlanWith().volume).toEqual({
      existingVolumeId: null,
      generation: 1,
      sizeGib: 50,
      leastGib: 11,
      iops: 3000,
      throughputMib: 125,
      snapshotId: null,
      initializationRateMib: null,
      kmsKeyArn: null,
      onDestroy: "retain",
      zone: null,
      zoneMatters: false,
    });
    expect(awsPlanWith().host.formatIfBlank).toBe(true);
    expect(awsPlanWith({ volumeSnapshotId: SNAPSHOT }).host.formatIfBlank).toBe(false);
    expect(awsPlanWith({ volumeId: "vol-0a1b2c3d" }).host.formatIfBlank).toBe(false);
  });

  // 125 MiB/s are free, and an xlarge sustains no more.
  test.each([
    [{}, 125, 125],
    [{ pinnedInstanceType: "g5.xlarge" }, 125, 125],
    [{ pinnedInstanceType: "g6.2xlarge" }, 238, 238],
    [{ pinnedInstanceType: "g6.4xlarge" }, 300, 300],
    [{ pinnedInstanceType: "g99.xlarge" }, 125, 125],
    [{ volumeThroughputMb: "500" }, 500, 125],
  ])("with %j it has %d MiB/s and the root disk %d: what the type sustains, or what config says", (raw, data, root) => {
    const { volume, host } = awsPlanWith(raw as Record<string, string>);
    expect([volume.throughputMib, host.root.throughputMib]).toEqual([data, root]);
  });

  test("no type of the table is sold throughput that it can't sustain", () => {
    for (const [type, { ebsBaselineMbps }] of Object.entries(INSTANCE_TYPES)) {
      const mib = sustainedThroughputMib(type, 3000);
      expect(mib <= BASE_THROUGHPUT_MIB || mib * 1.048576 <= ebsBaselineMbps, type).toBe(true);
    }
  });

  test.each([[{ availabilityZone: "us-east-1c" }], [{ subnetId: "subnet-0a1b2c3d" }]])(
    "with %j its zone matters",
    (raw) => {
      expect(awsPlanWith(raw as Record<string, string>).volume.zoneMatters).toBe(true);
    },
  );
});

describe("what can't work with the model is reported before anything is made", () => {
  const problemsOf = (raw: Record<string, string>, of: Manifest | null = manifest, secretKeys: "hfToken"[] = []) => {
    const settings = { ...awsSettings(raw), secretKeys };
    return modelProblems(settings, makeAwsPlan(settings, of, "prod"), of).map(wordForPulumi);
  };
  const gated = { ...manifest, gated: true };

  test.each<[string, Record<string, string>]>([
    ["as it is", {}],
    ["a disk that just holds the model", { volumeSizeGb: "11" }],
    ["a small disk for a model in the image", { volumeSizeGb: "5", modelCache: "baked" }],
    ["an existing volume, whose size AWS knows", { volumeSizeGb: "5", volumeId: "vol-0a1b2c3d" }],
  ])("nothing for %s", (_, raw) => {
    expect(problemsOf(raw)).toEqual([]);
  });
  test("LoRAs make the volume and its wait larger, and refuse nothing, as their size is assumed", () => {
    const loras = "a=org/a,b=org/b,c=org/c,d=org/d";
    const [plain, plan] = [awsPlanWith(), awsPlanWith({ loras })];
    expect(plan.volume.leastGib).toBe(plain.volume.leastGib);
    expect(plan.gpuMemoryMib).toBe(plain.gpuMemoryMib);
    expect(plan.startupEstimate.bytesToFetch - plain.startupEstimate.bytesToFetch).toBe(3.2e9);
    expect(plan.readiness.readyTimeoutSeconds).toBe(plain.readiness.readyTimeoutSeconds + 320);
    // 30 GB and 20 GiB to spare without them, which a disk of the least size holds.
    expect([plain.volume.sizeGib, plan.volume.sizeGib]).toEqual([50, 51]);
    const baked = awsPlanWith({ loras, modelCache: "baked" });
    expect(baked.image.buildArgs.LORAS).toBe(loras);
    expect(baked.startupEstimate.imageBytes - awsPlanWith({ modelCache: "baked" }).startupEstimate.imageBytes).toBe(
      3.2e9,
    );
    expect(baked.startupEstimate.bytesToFetch).toBe(0);
  });
  test("nothing for a model of unknown size", () => {
    expect(problemsOf({ volumeSizeGb: "5" }, null)).toEqual([]);
  });
  test("a volume that is too small", () => {
    expect(problemsOf({ volumeSizeGb: "10" })).toEqual([
      "Picture-Perfect-Challenge:volumeSizeGb: expected 11 or more, for this model, got 10. Fix: pulumi config set volumeSizeGb 11",
    ]);
  });
  test("nothing of modelId's, where a path on the host's volume is served", () => {
    const raw = { environment: "MODEL_DIR=/data//fox/" };
    expect(problemsOf({ ...raw, volumeSizeGb: "10" }, gated)).toEqual([]);
    const { modelId, readiness, startupEstimate } = awsPlanWith(raw);
    expect([modelId, ...readiness.models]).toEqual(["/data/fox", "/data/fox"]);
    expect(startupEstimate).toMatchObject({ bytesToFetch: 0, firstSeconds: startupEstimate.cachedSeconds });
    expect(readiness.readyTimeoutSeconds).toBeLessThan(awsPlanWith().readiness.readyTimeoutSeconds);
    // As for any model whose size is not known.
    expect(gpuMemoryNeededMib(modelSize(awsSettings(raw), manifest), manifest)).toBe(12_288);
    const secret = awsPlanWith({ environmentSecretArns: `MODEL_DIR=${HF}` }).readiness;
    expect(secret).toMatchObject({ acceptsPath: true });
  });
  test("an environment that no parameter holds", () => {
    expect(problemsOf({ environment: `A=${"a".repeat(2000)}` })).toEqual([]);
    expect(problemsOf({ environment: `A=${"ä".repeat(2000)}` })).toEqual([
      expect.stringMatching(
        /environment: expected all variables of the service in 3696 bytes.*, got \d+ bytes\. Fix: remove \d+ bytes or more from environment/,
      ),
    ]);
  });
  test("a gated model without a token on the host, or in the build", () => {
    expect(problemsOf({}, gated)).toEqual([
      expect.stringMatching(
        /hfTokenSecretArn: expected a token, for .* is gated: .* Fix: pulumi config set hfTokenSecretArn/,
      ),
    ]);
    expect(problemsOf({ modelCache: "baked" }, gated)).toEqual([
      expect.stringMatching(/hfToken: expected a token.* Fix: pulumi config set --secret hfToken/),
    ]);
  });
  test.each<[string, Record<string, string>, "hfToken"[]]>([
    ["a secret's ARN", { hfTokenSecretArn: HF }, []],
    ["a variable with a secret's ARN", { environmentSecretArns: `HF_TOKEN=${HF}` }, []],
    ["a mirror", { modelMirror: "s3://models/mirror" }, []],
    ["a token in the build of a baked model", { modelCache: "baked" }, ["hfToken"]],
  ])("a gated model with %s is none", (_, raw, secretKeys) => {
    expect(problemsOf(raw, gated, secretKeys)).toEqual([]);
  });
});

describe("host", () => {
  test.each([
    [{}, "g6.xlarge", "on-demand"],
    [{ pinnedInstanceType: "g5.2xlarge" }, "g5.2xlarge", "on-demand"],
    [{ purchaseOption: "spot" }, "g6.xlarge", "spot"],
    [{ purchaseOption: "spot-then-on-demand" }, "g6.xlarge", "spot"],
    [{ purchaseOption: "spot-then-on-demand", pinnedPurchaseOption: "on-demand" }, "g6.xlarge", "on-demand"],
  ])("with %j it is a %s, %s", (raw, instanceType, purchaseOption) => {
    expect(awsPlanWith(raw as Record<string, string>).host).toMatchObject({ instanceType, purchaseOption });
  });

  // Thrice 4.63 GB of image are 13 GiB, thrice 14.63 GB are 41; the machine image itself has 30 or 75.
  test.each([
    [{}, 60, "/dev/xvda"],
    [{ modelCache: "baked" }, 71, "/dev/xvda"],
    [{ ami: "dlami-ubuntu-24.04" }, 88, "/dev/sda1"],
    [{ rootSizeGb: "200" }, 200, "/dev/xvda"],
  ])("with %j its root has %d GiB", (raw, sizeGib, deviceName) => {
    expect(awsPlanWith(raw as Record<string, string>).host.root).toMatchObject({ sizeGib, deviceName });
  });

  test("it listens to itself alone, or to a load balancer", () => {
    expect(awsPlanWith().host.publishAddress).toBe("127.0.0.1");
    expect(awsPlanWith(ALB).host.publishAddress).toBe("0.0.0.0");
  });

  describe("GPU memory is that of the model", () => {
    const sd15: Manifest = {
      ...manifest,
      id: "a/sd",
      pipeline: "StableDiffusionPipeline",
      files: [weights(2_134_194_125)],
    };
    const sdxl: Manifest = { ...manifest, pipeline: "StableDiffusionXLPipeline", files: [weights(6_941_187_536)] };
    test.each([
      ["demo", null, "g6f.large", null],
      ["a/sd", sd15, "g6f.large", "4084"],
      ["a/sd", sd15, "g6f.2xlarge", null],
      ["a/sdxl", sdxl, "g6f.4xlarge", "12252"],
      ["a/sdxl", sdxl, "g4dn.xlarge", null],
      ["a/unknown", null, "g6f.4xlarge", "12288"],
    ])("%s on %#", (modelId, known, type, needed) => {
      const plan = makeAwsPlan(awsSettings({ modelId, instanceTypes: `g6.xlarge,${type}` }), known, "prod");
      const memory = INSTANCE_TYPES[type]?.gpuMemoryMib;
      const problem = {
        path: "Picture-Perfect-Challenge:instanceTypes",
        expected: `GPUs with ${needed} MiB or more, for this model`,
        got: `${type} with ${memory} MiB`,
        fix: { set: "instanceTypes", value: "g6.xlarge,g5.xlarge" },
      };
      expect(instanceTypeProblems(plan)).toEqual(needed === null ? [] : [problem]);
    });
  });

  test("an instance store that is too small for a copy of the model is refused", () => {
    const huge: Manifest = { ...manifest, files: [weights(130e9)] };
    const problemsOf = (raw: Record<string, string>) =>
      instanceTypeProblems({ ...makeAwsPlan(awsSettings(raw), huge, "prod"), gpuMemoryMib: 0 }).map(wordForPulumi);
    expect(problemsOf({ instanceTypes: "g6.xlarge,g4dn.xlarge" })).toEqual([]);
    expect(problemsOf({ instanceTypes: "g6.xlarge,g4dn.xlarge", instanceStoreCache: "true" })).toEqual([
      "Picture-Perfect-Challenge:instanceStoreCache: expected instanceTypes whose instance store has 130 GB or more, for this model, got g4dn.xlarge with 125 GB. Fix: pulumi config set instanceStoreCache false",
    ]);
    expect(problemsOf({ instanceTypes: "g6.xlarge", instanceStoreCache: "true" })).toEqual([]);
  });

  test("a type whose instance store is not known gets a warning where the copy is asked for", () => {
    const raw = { instanceTypes: "g7.2xlarge" };
    expect(awsPlanWith(raw).warnings).toEqual([]);
    expect(awsPlanWith({ ...raw, instanceStoreCache: "true" }).warnings).toEqual([
      expect.stringMatching(/^g7\.2xlarge is not in the table of instance stores: .+ from its volume\.$/),
    ]);
  });

  test("a type that is not in the table is accepted, with a warning", () => {
    const plan = awsPlanWith({ instanceTypes: "g9.xlarge" });
    expect(instanceTypeProblems(plan)).toEqual([]);
    expect(plan.warnings[0]).toContain("g9.xlarge is not in the table");
    expect(plan.cost.incomplete).toBe(true);
  });
});

describe("deployment", () => {
  test("has the same environment as the container on this machine", () => {
    const { environment, secrets, gpus } = awsPlanWith().deployment;
    expect(environment).toEqual({ ...planWith().host.environment, ...imagegenReader("prod") });
    expect(secrets).toEqual({});
    expect(gpus).toBe("all");
  });

  test("names the disk of a copy of the model", () => {
    const { environment } = awsPlanWith({ instanceStoreCache: "true" }).deployment;
    expect(environment.IMAGE_GEN_INSTANCE_STORE).toBe("/instance-store");
  });

  test("names secrets by their ARN, never by value", () => {
    const { deployment, host } = awsPlanWith({ hfTokenSecretArn: HF, apiKeySecretArn: ALB.apiKeySecretArn });
    expect(deployment.secrets).toEqual({ HF_TOKEN: HF, IMAGE_GEN_API_KEY: ALB.apiKeySecretArn });
    expect(host.secretArns).toEqual([HF, ALB.apiKeySecretArn]);
  });

  test.each([
    [{ ...CLOSED }, { HF_HUB_OFFLINE: "1" }],
    [{ modelMirror: "s3://bucket/models" }, { IMAGE_GEN_MIRROR: "s3://bucket/models" }],
    [{ ...CLOSED, modelMirror: "s3://bucket/models" }, { IMAGE_GEN_MIRROR: "s3://bucket/models" }],
  ])("with %j it adds %j", (raw, more) => {
    const { environment } = awsPlanWith(raw as Record<string, string>).deployment;
    expect(environment).toEqual({ ...planWith().host.environment, ...imagegenReader("prod"), ...more });
  });
});

describe("health", () => {
  // Boot 600 s, pull at 20 MB/s, fetch at 10 MB/s, load 600 s.
  test.each([
    [{}, 600 + 232 + 1000 + 600],
    [{ modelCache: "baked" }, 600 + 732 + 600],
    [{ readyTimeoutSeconds: "90" }, 90],
  ])("with %j it waits for %d s", (raw, readyTimeoutSeconds) => {
    expect(awsPlanWith(raw as Record<string, string>).readiness.readyTimeoutSeconds).toBe(readyTimeoutSeconds);
  });

  test("reads the host's record of this stack", () => {
    expect(awsPlanWith().readiness).toMatchObject({
      parameter: "/imagegen/prod/ready",
      url: "http://127.0.0.1:8000",
      device: "cuda",
    });
  });
});

test("the image is built as on this machine, for the registry", () => {
  const { image } = awsPlanWith({
    modelCache: "baked",
    builder: "mine",
    kmsKeyArn: "arn:aws:kms:us-east-1:123456789012:key/1",
  });
  expect(image).toMatchObject({ builder: "mine", kmsKeyArn: "arn:aws:kms:us-east-1:123456789012:key/1" });
  expect(image.buildArgs).toMatchObject(planWith({ modelCache: "baked" }).image.buildArgs);
});
