import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { runStack } from "../support/aws-program.ts";
import { ALB, awsPlanWith } from "../support/aws-settings.ts";
import { theOnly } from "../support/program.ts";

const INSTANCE = "aws:ec2/instance:Instance";
const ATTACHMENT = "aws:ec2/volumeAttachment:VolumeAttachment";

/** Many tests look at one stack: it is run once. */
const runs = new Map<string, ReturnType<typeof runStack>>();
async function stackWith(raw: Record<string, string> = {}) {
  const key = JSON.stringify(raw);
  const run = runs.get(key) ?? runStack(awsPlanWith(raw));
  runs.set(key, run);
  return run;
}

describe("the instance", () => {
  test("is the plan's type on an encrypted root, with the metadata service closed to containers", async () => {
    const { inputs } = theOnly((await stackWith()).resources, INSTANCE);
    const { userDataBase64, ...rest } = inputs;
    expect(rest).toEqual({
      ami: "ami-0123456789abcdef0",
      instanceType: "g6.xlarge",
      subnetId: "image-gen-subnet-id",
      vpcSecurityGroupIds: ["image-gen-host-id"],
      iamInstanceProfile: "p",
      userDataReplaceOnChange: true,
      metadataOptions: {
        httpEndpoint: "enabled",
        httpTokens: "required",
        httpPutResponseHopLimit: 1,
        instanceMetadataTags: "disabled",
      },
      rootBlockDevice: {
        volumeType: "gp3",
        volumeSize: 60,
        iops: 3000,
        throughput: 125,
        encrypted: true,
        deleteOnTermination: true,
      },
      instanceInitiatedShutdownBehavior: "stop",
      tags: { Name: "image-gen-prod" },
    });
    expect(typeof userDataBase64).toBe("string");
  });

  test.each([
    ["create-first", false],
    ["delete-first", true],
  ])("%s: the old one goes first: %s", async (replacement, first) => {
    const { options } = theOnly((await stackWith({ replacement })).resources, INSTANCE);
    expect(options).toEqual({
      parent: "imagegen:host:AwsHost::image-gen",
      protect: false,
      retainOnDelete: false,
      deleteBeforeReplace: first,
      ignoreChanges: ["ami"],
      replaceOnChanges: ["instanceType", "rootBlockDevice.volumeSize"],
      createTimeout: "10m",
    });
  });

  test("a pinned image is followed when the pin changes", async () => {
    const { options } = theOnly((await stackWith({ amiId: "ami-0a1b2c3d" })).resources, INSTANCE);
    expect(options.ignoreChanges).toEqual([]);
  });

  test("spot is a request that outlives a stop: a one-time instance can't be stopped", async () => {
    const { inputs } = theOnly((await stackWith({ purchaseOption: "spot" })).resources, INSTANCE);
    expect(inputs.instanceMarketOptions).toEqual({
      marketType: "spot",
      spotOptions: { spotInstanceType: "persistent", instanceInterruptionBehavior: "stop" },
    });
  });

  test("a customer's key is its root's too", async () => {
    const kmsKeyArn = "arn:aws:kms:us-east-1:123456789012:key/1";
    const { inputs } = theOnly((await stackWith({ kmsKeyArn })).resources, INSTANCE);
    expect(inputs.rootBlockDevice).toMatchObject({ encrypted: true, kmsKeyId: kmsKeyArn });
  });
});

test.each([["create-first"], ["delete-first"]])(
  "%s: the attachment stops the host before it detaches, and detaches before it is created again",
  async (replacement) => {
    const { inputs, options } = theOnly((await stackWith({ replacement })).resources, ATTACHMENT);
    expect(inputs).toEqual({
      deviceName: "/dev/sdf",
      instanceId: "image-gen-instance-id",
      volumeId: "image-gen-data-id",
      stopInstanceBeforeDetaching: true,
    });
    expect(options).toMatchObject({ deleteBeforeReplace: true, retainOnDelete: false, protect: false });
  },
);

describe("user data", () => {
  async function environmentOf(raw: Record<string, string> = {}) {
    const { userDataBase64 } = theOnly((await stackWith(raw)).resources, INSTANCE).inputs;
    const text = gunzipSync(Buffer.from(userDataBase64 as string, "base64")).toString();
    const { write_files } = JSON.parse(text.slice(text.indexOf("\n"))) as {
      write_files: { path: string; content: string }[];
    };
    return { text, lines: write_files.find(({ path }) => path === "/etc/image-gen/host.env")?.content.split("\n") };
  }

  test("says which volume, which parameters and which registry, and nothing that a new image changes", async () => {
    const { lines, text } = await environmentOf({ apiKeySecretArn: ALB.apiKeySecretArn });
    expect(lines).toEqual(
      expect.arrayContaining([
        "IMAGE_GEN_VOLUME_ID=image-gen-data-id",
        "IMAGE_GEN_FORMAT_IF_BLANK=1",
        "IMAGE_GEN_PARAMETERS=/imagegen/prod",
        "IMAGE_GEN_LOG_GROUP=/imagegen/prod",
        "IMAGE_GEN_REGISTRY=1.dkr.ecr.us-east-1.amazonaws.com",
        "IMAGE_GEN_SELF_ATTACH=0",
        "IMAGE_GEN_ENDPOINTS_ONLY=0",
        "IMAGE_GEN_PUBLISH=127.0.0.1",
        "IMAGE_GEN_MIRROR_ROLE_ARN=",
      ]),
    );
    for (const secret of ["sha256:1", "stable-diffusion", ALB.apiKeySecretArn]) expect(text).not.toContain(secret);
  });

  test.each([
    [{ modelId: "demo" }],
    [{ modelCache: "baked" }],
    [{ hubEndpoint: "https://hub.example" }],
    [{ apiKeySecretArn: ALB.apiKeySecretArn }],
    [{ volumeSizeGb: "200" }],
  ])("is the same with %j: no host is replaced for that", async (raw) => {
    expect((await environmentOf(raw as Record<string, string>)).text).toBe((await environmentOf()).text);
  });

  test.each([
    [{ volumeSnapshotId: "snap-0a1b2c3d" }, "IMAGE_GEN_FORMAT_IF_BLANK=0"],
    [{ selfHealing: "false", idleStopMinutes: "30" }, "IMAGE_GEN_IDLE_STOP_MINUTES=30"],
    [{ instanceStoreCache: "true" }, "IMAGE_GEN_INSTANCE_STORE=/instance-store"],
    [{ ...ALB }, "IMAGE_GEN_PUBLISH=0.0.0.0"],
    [{ modelMirror: "s3://bucket/models" }, "IMAGE_GEN_MIRROR_ROLE_ARN=arn:aws:iam::1:role/r"],
    [{ network: "endpoints-only", modelCache: "baked" }, "IMAGE_GEN_ENDPOINTS_ONLY=1"],
  ])("with %j has %s", async (raw, line) => {
    expect((await environmentOf(raw as Record<string, string>)).lines).toContain(line);
  });
});
