import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { IMAGE, inputsOf, runStack } from "../support/aws-program.ts";
import { ALB, awsPlanWith } from "../support/aws-settings.ts";
import { known } from "../support/outputs.ts";
import { theOnly } from "../support/program.ts";

const INSTANCE = "aws:ec2/instance:Instance";
const ATTACHMENT = "aws:ec2/volumeAttachment:VolumeAttachment";
const PARAMETER = "aws:ssm/parameter:Parameter";
const GROUP = "aws:autoscaling/group:Group";
const TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate";
const ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm";
const TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms";
const REBOOT = "arn:aws:automate:us-east-1:ec2:reboot";

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
        throughput: 500,
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
      replaceOnChanges: ["instanceType", "rootBlockDevice"],
      createTimeout: "10m",
    });
  });

  test("a pinned image is followed when the pin changes", async () => {
    const { options } = theOnly((await stackWith({ amiId: "ami-0a1b2c3d" })).resources, INSTANCE);
    expect(options.ignoreChanges).toEqual([]);
  });

  test("spot is a request that outlives a stop: a one-time instance can't be stopped", async () => {
    const { inputs } = theOnly((await stackWith({ capacity: "spot" })).resources, INSTANCE);
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
  "%s: the attachment stops the host before it lets go, and lets go before it is made anew",
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
    [{ ...ALB }, "IMAGE_GEN_PUBLISH=0.0.0.0"],
    [{ modelMirror: "s3://bucket/models" }, "IMAGE_GEN_MIRROR_ROLE_ARN=arn:aws:iam::1:role/r"],
    [{ network: "endpoints-only", modelCache: "baked" }, "IMAGE_GEN_ENDPOINTS_ONLY=1"],
  ])("with %j has %s", async (raw, line) => {
    expect((await environmentOf(raw as Record<string, string>)).lines).toContain(line);
  });
});

test("what to run stands in a parameter, with the image by digest", async () => {
  const { resources, result } = await stackWith();
  const { inputs } = theOnly(resources, PARAMETER);
  expect(inputs).toMatchObject({ name: "/imagegen/prod/deployment", type: "String" });
  // The provider's package takes every parameter's value for a secret.
  const { secret } = inputs.value as { secret: string };
  const deployment = JSON.parse(secret) as { id: string; image: string };
  expect(deployment).toMatchObject({ schema: 1, image: IMAGE.imageReference, container: "image-game-image-gen" });
  expect(await known(result.host.deploymentId)).toBe(deployment.id);
  expect(await known(result.host.instanceId)).toBe("image-gen-instance-id");
});

test("the host has its own log group, kept as long as config says", async () => {
  const { resources } = await stackWith({ logRetentionDays: "7" });
  expect(theOnly(resources, "aws:cloudwatch/logGroup:LogGroup").inputs).toEqual({
    name: "/imagegen/prod",
    retentionInDays: 7,
  });
});

describe("who may come in", () => {
  const ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";

  test("nobody", async () => {
    const { resources } = await stackWith();
    expect(resources.filter(({ type }) => type === ingress)).toEqual([]);
    const groups = inputsOf(resources, "aws:ec2/securityGroup:SecurityGroup");
    expect(groups).toEqual({
      "image-gen-host": { vpcId: "image-gen-vpc-id", description: "image-gen host of prod: no way in" },
    });
  });

  test("the load balancer alone, to the service alone", async () => {
    const { resources } = await stackWith(ALB);
    expect(inputsOf(resources, ingress)["image-gen-host-in"]).toEqual({
      securityGroupId: "image-gen-host-id",
      referencedSecurityGroupId: "image-gen-alb-id",
      ipProtocol: "tcp",
      fromPort: 8000,
      toPort: 8000,
    });
    expect(theOnly(resources, "aws:lb/targetGroupAttachment:TargetGroupAttachment").inputs).toEqual({
      targetGroupArn: "arn:target",
      targetId: "image-gen-instance-id",
    });
  });
});

describe("alarms", () => {
  test("each way to fail has one; EC2's own watch the instance, the others the stack", async () => {
    const alarms = inputsOf((await stackWith({ alarmTopicArn: TOPIC })).resources, ALARM);
    const seen = Object.entries(alarms).map(([name, { namespace, metricName, dimensions }]) => [
      name.replace("image-gen-", ""),
      namespace,
      metricName,
      dimensions,
    ]);
    const instance = { InstanceId: "image-gen-instance-id" };
    const stack = { Stack: "prod" };
    expect(seen.sort()).toEqual([
      ["data-full", "ImageGen", "DataUsedPercent", stack],
      ["ebs-status", "AWS/EC2", "StatusCheckFailed_AttachedEBS", instance],
      ["gpu-lost", "ImageGen", "GpuLost", stack],
      ["gpu-xid", "ImageGen", "XidErrors", stack],
      ["instance-status", "AWS/EC2", "StatusCheckFailed_Instance", instance],
      ["system-status", "AWS/EC2", "StatusCheckFailed_System", instance],
      ["unhealthy", "ImageGen", "Unhealthy", stack],
      ["volume-lost", "ImageGen", "VolumeLost", stack],
    ]);
    const actions = Object.values(alarms).flatMap(({ alarmActions }) => alarmActions as string[]);
    expect([...new Set(actions)].sort()).toEqual([REBOOT, TOPIC]);
    expect(alarms["image-gen-instance-status"]?.alarmActions).toEqual([REBOOT, TOPIC]);
  });

  test("no instance of a group is rebooted: the group replaces it", async () => {
    const alarms = inputsOf((await stackWith({ selfHealing: "true" })).resources, ALARM);
    expect(alarms["image-gen-instance-status"]).toMatchObject({
      alarmActions: [],
      dimensions: { AutoScalingGroupName: "group" },
    });
  });
});

describe("self-healing", () => {
  test("is a group of one, of any type of the list, that never holds two hosts", async () => {
    const { resources, result } = await stackWith({ selfHealing: "true" });
    expect(resources.filter(({ type }) => type === INSTANCE || type === ATTACHMENT)).toEqual([]);
    expect(theOnly(resources, GROUP).inputs).toMatchObject({
      minSize: 1,
      maxSize: 1,
      desiredCapacity: 1,
      vpcZoneIdentifiers: ["image-gen-subnet-id"],
      instanceMaintenancePolicy: { minHealthyPercentage: 0, maxHealthyPercentage: 100 },
      instanceRefresh: { strategy: "Rolling", preferences: { minHealthyPercentage: 0 } },
      mixedInstancesPolicy: {
        instancesDistribution: { onDemandPercentageAboveBaseCapacity: 100 },
        launchTemplate: {
          launchTemplateSpecification: { launchTemplateId: "image-gen-template-id", version: "3" },
          overrides: [{ instanceType: "g6.xlarge" }, { instanceType: "g5.xlarge" }, { instanceType: "g4dn.xlarge" }],
        },
      },
    });
    expect(await known(result.host.instanceId)).toBeNull();
  });

  test("starts the same host, which takes the volume itself", async () => {
    const { resources } = await stackWith({ selfHealing: "true" });
    const { inputs, options } = theOnly(resources, TEMPLATE);
    const plain = theOnly((await stackWith()).resources, INSTANCE).inputs;
    expect(inputs.metadataOptions).toEqual(plain.metadataOptions);
    expect(inputs.blockDeviceMappings).toEqual([
      {
        deviceName: "/dev/xvda",
        ebs: {
          volumeType: "gp3",
          volumeSize: 60,
          iops: 3000,
          throughput: 500,
          encrypted: "true",
          deleteOnTermination: "true",
        },
      },
    ]);
    expect(gunzipSync(Buffer.from(inputs.userData as string, "base64")).toString()).toContain(
      "IMAGE_GEN_SELF_ATTACH=1",
    );
    expect(options.ignoreChanges).toEqual(["imageId"]);
  });

  test("is behind the load balancer by itself", async () => {
    const { resources } = await stackWith({ ...ALB, selfHealing: "true" });
    expect(theOnly(resources, GROUP).inputs.targetGroupArns).toEqual(["arn:target"]);
    expect(resources.filter(({ type }) => type.includes("targetGroupAttachment"))).toEqual([]);
  });
});

describe("roles", () => {
  test("a mirror has a role of its own, which only the host may take", async () => {
    const { resources } = await stackWith({ modelMirror: "s3://bucket/models" });
    const roles = inputsOf(resources, "aws:iam/role:Role");
    expect(Object.keys(roles)).toEqual(["image-gen-host", "image-gen-mirror"]);
    expect(JSON.parse(roles["image-gen-mirror"]?.assumeRolePolicy as string)).toMatchObject({
      Statement: [{ Principal: { AWS: "arn:aws:iam::1:role/r" }, Action: "sts:AssumeRole" }],
    });
    const policies = inputsOf(resources, "aws:iam/rolePolicy:RolePolicy");
    expect(policies["image-gen-host"]?.policy).toContain('"Sid":"Mirror"');
    expect(policies["image-gen-mirror"]?.policy).toContain("arn:aws:s3:::bucket/models/*");
  });
});
