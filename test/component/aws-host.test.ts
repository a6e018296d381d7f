import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { explainGrantError } from "../../infra/aws/host/key-grants.ts";
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

test("what to run stands in a parameter, with the image by digest", async () => {
  const { resources, result } = await stackWith();
  const { inputs } = theOnly(resources, PARAMETER);
  expect(inputs).toMatchObject({ name: "/imagegen/prod/deployment", type: "String" });
  // The provider's package takes every parameter's value for a secret.
  const { secret } = inputs.value as { secret: string };
  const deployment = JSON.parse(secret) as { id: string; image: string };
  expect(deployment).toMatchObject({ schema: 1, image: IMAGE.imageReference });
  expect(await known(result.host.deploymentId)).toBe(deployment.id);
  expect(await known(result.host.instanceId)).toBe("image-gen-instance-id");
});

describe("the dashboard", () => {
  const DASHBOARD = "aws:cloudwatch/dashboard:Dashboard";
  type Widget = { type: string; x: number; y: number; properties: Record<string, unknown> };
  const widgetsOf = async (raw: Record<string, string>) => {
    const { resources } = await stackWith({ dashboard: "true", ...raw });
    const { inputs } = theOnly(resources, DASHBOARD);
    expect(inputs.dashboardName).toBe("imagegen-prod");
    return (JSON.parse(inputs.dashboardBody as string) as { widgets: Widget[] }).widgets;
  };
  const metricsOf = (widgets: readonly Widget[]) =>
    widgets.flatMap(({ properties }) => (properties.metrics ?? []) as string[][]);

  test("there is none unless config asks for it", async () => {
    const { resources } = await stackWith();
    expect(resources.filter(({ type }) => type === DASHBOARD)).toEqual([]);
  });

  test("it shows every alarm, the metrics that alarms watch, and the log", async () => {
    const widgets = await widgetsOf({});
    const { resources } = await stackWith({ dashboard: "true" });
    const alarms = Object.values(inputsOf(resources, ALARM));
    const [status] = widgets.filter(({ type }) => type === "alarm");
    expect(status?.properties.alarms).toHaveLength(alarms.length);
    const watched = alarms.filter(({ namespace }) => namespace === "ImageGen").map(({ metricName }) => metricName);
    const shown = metricsOf(widgets).map(([namespace, name, ...rest]) => [namespace, name, rest[0], rest[1]]);
    for (const metric of watched) expect(shown).toContainEqual(["ImageGen", metric, "Stack", "prod"]);
    expect(shown).toContainEqual(["AWS/EC2", "CPUUtilization", "InstanceId", "image-gen-instance-id"]);
    const queries = widgets.filter(({ type }) => type === "log").map(({ properties }) => String(properties.query));
    expect(queries).toHaveLength(2);
    for (const query of queries) expect(query).toMatch(/^SOURCE '\/imagegen\/prod' \| /);
    expect(JSON.stringify(widgets)).not.toContain("ApplicationELB");
  });

  test("with a load balancer it shows its requests; no two widgets have one place", async () => {
    const widgets = await widgetsOf(ALB);
    const names = metricsOf(widgets).filter(([namespace]) => namespace === "AWS/ApplicationELB");
    expect(new Set(names.map(([, name]) => name))).toContain("HTTPCode_Target_5XX_Count");
    expect(new Set(names.map(([, name]) => name))).toContain("TargetResponseTime");
    expect(new Set(widgets.map(({ x, y }) => `${x} ${y}`)).size).toBe(widgets.length);
  });
});

test("the host has its own log group, kept as long as config says", async () => {
  const { resources } = await stackWith({ logRetentionDays: "7" });
  expect(inputsOf(resources, "aws:cloudwatch/logGroup:LogGroup")["image-gen-logs"]).toEqual({
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
      description: "the load balancer",
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
      ["heartbeat", "ImageGen", "Heartbeat", stack],
      ["instance-status", "AWS/EC2", "StatusCheckFailed_Instance", instance],
      ["system-status", "AWS/EC2", "StatusCheckFailed_System", instance],
      ["unhealthy", "ImageGen", "Unhealthy", stack],
      ["volume-lost", "ImageGen", "VolumeLost", stack],
    ]);
    const actions = Object.values(alarms).flatMap(({ alarmActions }) => alarmActions as string[]);
    expect([...new Set(actions)].sort()).toEqual([REBOOT, TOPIC]);
    expect(alarms["image-gen-instance-status"]?.alarmActions).toEqual([REBOOT, TOPIC]);
  });

  test("a host that says nothing is one, and no other alarm takes silence for a failure", async () => {
    const alarms = inputsOf((await stackWith({ alarmTopicArn: TOPIC })).resources, ALARM);
    const { "image-gen-heartbeat": heartbeat, ...others } = alarms;
    expect(heartbeat).toMatchObject({
      statistic: "SampleCount",
      comparisonOperator: "LessThanThreshold",
      threshold: 1,
      period: 60,
      evaluationPeriods: 15,
      treatMissingData: "breaching",
      alarmActions: [TOPIC],
      okActions: [TOPIC],
    });
    expect(Object.values(others).map(({ treatMissingData }) => treatMissingData)).toEqual(
      Array.from({ length: 8 }, () => "ignore"),
    );
  });

  test("a host that stops itself notifies nobody of its silence", async () => {
    const { resources } = await stackWith({ alarmTopicArn: TOPIC, idleStopMinutes: "60" });
    expect(inputsOf(resources, ALARM)["image-gen-heartbeat"]).toMatchObject({ alarmActions: [], okActions: [] });
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
          throughput: 125,
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
    expect(Object.keys(roles).sort()).toEqual(["image-gen-flow-logs", "image-gen-host", "image-gen-mirror"]);
    expect(JSON.parse(roles["image-gen-mirror"]?.assumeRolePolicy as string)).toMatchObject({
      Statement: [{ Principal: { AWS: "arn:aws:iam::1:role/r" }, Action: "sts:AssumeRole" }],
    });
    const policies = inputsOf(resources, "aws:iam/rolePolicy:RolePolicy");
    expect(policies["image-gen-host"]?.policy).toContain('"Sid":"Mirror"');
    expect(policies["image-gen-mirror"]?.policy).toContain("arn:aws:s3:::bucket/models/*");
  });
});

describe("a customer's key", () => {
  const KEY = "arn:aws:kms:us-east-1:123456789012:key/1";
  const GRANT = "aws:kms/grant:Grant";

  test.each([
    [{}, []],
    [{ selfHealing: "true" }, ["autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"]],
    [{ purchaseOption: "spot" }, ["spot.amazonaws.com/AWSServiceRoleForEC2Spot"]],
    [
      { selfHealing: "true", purchaseOption: "spot" },
      ["autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", "spot.amazonaws.com/AWSServiceRoleForEC2Spot"],
    ],
  ])("with %j is granted to %j, which start the host", async (raw, roles) => {
    const { resources } = await stackWith({ kmsKeyArn: KEY, ...(raw as Record<string, string>) });
    const grants = Object.values(inputsOf(resources, GRANT));
    expect(grants.map(({ keyId, granteePrincipal }) => [keyId, granteePrincipal])).toEqual(
      roles.map((role) => [KEY, `arn:aws:iam::123456789012:role/aws-service-role/${role}`]),
    );
    for (const { operations } of grants) expect(operations).toEqual(expect.arrayContaining(["CreateGrant", "Decrypt"]));
  });

  test("without one there are no grants", async () => {
    const { resources } = await stackWith({ selfHealing: "true", purchaseOption: "spot" });
    expect(inputsOf(resources, GRANT)).toEqual({});
  });

  test.each([
    [
      "InvalidArnException: ARN does not refer to a valid principal",
      "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
    ],
    ["AccessDeniedException: not authorized to perform: kms:CreateGrant", "allow kms:CreateGrant on the key"],
    ["LimitExceededException", "aws kms create-grant --region"],
  ])("a grant that fails with %s says which is missing", (text, fix) => {
    const line = explainGrantError(text, KEY, { service: "spot.amazonaws.com", role: "AWSServiceRoleForEC2Spot" });
    expect(line).toMatch(
      /^The key arn:\S+ can not be used by AWSServiceRoleForEC2Spot, which starts the host: .+\. Fix: /,
    );
    expect(line).toContain(fix);
  });
});
