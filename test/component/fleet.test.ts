/** What a fleet is made of: the exact inputs of its queue, bucket, roles, template and groups. */
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { clientStatements } from "../../infra/aws/fleet/fleet-policy.ts";
import { inputsOf } from "../support/aws-program.ts";
import { fleetPlanWith, runFleet } from "../support/fleet-settings.ts";
import { theOnly } from "../support/program.ts";

const QUEUE = "aws:sqs/queue:Queue";
const BUCKET = "aws:s3/bucket:Bucket";
const GROUP = "aws:autoscaling/group:Group";
const TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate";
const POLICY = "aws:iam/rolePolicy:RolePolicy";
const SUBNET = "aws:ec2/subnet:Subnet";
const KEY = "arn:aws:kms:us-east-1:123456789012:key/1";

/** Many tests look at one stack: it is run once. */
const runs = new Map<string, ReturnType<typeof runFleet>>();
async function fleetWith(raw: Record<string, string> = {}) {
  const key = JSON.stringify(raw);
  const run = runs.get(key) ?? runFleet(fleetPlanWith(raw));
  runs.set(key, run);
  return run;
}

describe("jobs", () => {
  test("wait in a queue that is encrypted, hides a job for a minute, and gives up what comes back fifty times", async () => {
    const { resources } = await fleetWith();
    expect(inputsOf(resources, QUEUE)).toEqual({
      "image-gen-dead-letters": { messageRetentionSeconds: 1_209_600, sqsManagedSseEnabled: true },
      "image-gen-jobs": {
        visibilityTimeoutSeconds: 60,
        receiveWaitTimeSeconds: 20,
        messageRetentionSeconds: 604_800,
        sqsManagedSseEnabled: true,
        redrivePolicy: JSON.stringify({
          deadLetterTargetArn: "arn:aws:sqs:us-east-1:1:image-gen-dead-letters",
          maxReceiveCount: 50,
        }),
      },
    });
    const denial = (name: string) => ({
      Sid: "TlsOnly",
      Effect: "Deny",
      Principal: "*",
      Action: "sqs:*",
      Resource: `arn:aws:sqs:us-east-1:1:${name}`,
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    });
    const policies = inputsOf(resources, "aws:sqs/queuePolicy:QueuePolicy");
    for (const name of ["image-gen-dead-letters", "image-gen-jobs"])
      expect(JSON.parse(String(policies[name]?.policy)).Statement).toEqual([denial(name)]);
    expect(theOnly(resources, "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy").inputs).toEqual({
      queueUrl: "https://sqs.us-east-1.amazonaws.com/1/image-gen-dead-letters",
      redriveAllowPolicy: JSON.stringify({
        redrivePermission: "byQueue",
        sourceQueueArns: ["arn:aws:sqs:us-east-1:1:image-gen-jobs"],
      }),
    });
  });

  test("and results are protected and kept when the stack goes, unless config says otherwise", async () => {
    const held = async (raw: Record<string, string>) => {
      const { resources } = await fleetWith(raw);
      const kept = resources.filter(({ type }) => type === QUEUE || type === BUCKET);
      return kept.map(({ name, options, inputs }) => [
        name,
        options.protect,
        options.retainOnDelete,
        inputs.forceDestroy,
      ]);
    };
    expect((await held({})).sort()).toEqual([
      ["image-gen-dead-letters", true, true, undefined],
      ["image-gen-jobs", true, true, undefined],
      ["image-gen-results", true, true, false],
    ]);
    expect((await held({ resultsOnDestroy: "delete" })).sort()).toEqual([
      ["image-gen-dead-letters", false, false, undefined],
      ["image-gen-jobs", false, false, undefined],
      ["image-gen-results", false, false, true],
    ]);
  });

  test("whatever guards the bucket stays as long as the bucket", async () => {
    const { resources } = await fleetWith();
    const parts = resources.filter(({ type }) => type.startsWith("aws:s3/"));
    expect(parts.map(({ options }) => options.retainOnDelete)).toEqual(parts.map(() => true));
    expect(parts).toHaveLength(5);
  });

  test("results are closed, encrypted, and expire", async () => {
    const { resources } = await fleetWith({ resultDays: "3", kmsKeyArn: KEY });
    expect(theOnly(resources, "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs).toEqual({
      bucket: "image-gen-results-id",
      rules: [
        {
          id: "expire",
          status: "Enabled",
          filter: { prefix: "" },
          expiration: { days: 3 },
          abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
        },
      ],
    });
    const encryption = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration";
    expect(theOnly(resources, encryption).inputs.rules).toEqual([
      { applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: KEY }, bucketKeyEnabled: true },
    ]);
    // No message outlives the inputs that it names.
    expect(inputsOf(resources, QUEUE)["image-gen-jobs"]).toMatchObject({ messageRetentionSeconds: 259_200 });
  });
});

describe("roles", () => {
  const statements = async (raw: Record<string, string>, name: string) => {
    const { resources } = await fleetWith(raw);
    const document = JSON.parse(String(inputsOf(resources, POLICY)[name]?.policy)) as {
      Statement: { Sid: string; Action: string[]; Resource: unknown }[];
    };
    return document.Statement;
  };

  test("a worker takes jobs, keeps what it makes of them, and nothing else", async () => {
    const allowed = await statements({}, "image-gen-worker");
    expect(allowed.map(({ Action, Resource }) => [Action, Resource])).toEqual([
      [
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
        "arn:aws:sqs:us-east-1:1:image-gen-jobs",
      ],
      [["sqs:SendMessage"], "arn:aws:sqs:us-east-1:1:image-gen-dead-letters"],
      [["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "arn:aws:s3:::image-gen-results/fleet/*"],
      [["s3:ListBucket"], "arn:aws:s3:::image-gen-results"],
    ]);
  });

  test("a worker may protect hosts of both groups, by a policy that no host waits for", async () => {
    const group = (name: string) => `arn:aws:autoscaling:us-east-1:1:autoScalingGroup:x:autoScalingGroupName/${name}`;
    const protection = async (raw: Record<string, string>) =>
      (await statements(raw, "image-gen-worker-protection")).map(({ Action, Resource }) => [Action, Resource]);
    const action = ["autoscaling:SetInstanceProtection"];
    expect(await protection({})).toEqual([[action, [group("image-gen-spot"), group("image-gen-rescue")]]]);
    expect(await protection({ rescueHosts: "0" })).toEqual([[action, [group("image-gen-spot")]]]);
    const { resources } = await fleetWith();
    expect(inputsOf(resources, POLICY)["image-gen-worker-protection"]?.role).toBe("image-gen-worker-id");
  });

  test("a mirror and a customer's key are in it by config", async () => {
    const allowed = await statements({ modelMirror: "s3://models/mirror", kmsKeyArn: KEY }, "image-gen-worker");
    const byName = Object.fromEntries(allowed.map(({ Sid, Resource }) => [Sid, Resource]));
    expect(byName).toMatchObject({
      MirrorRead: "arn:aws:s3:::models/mirror/*",
      MirrorList: "arn:aws:s3:::models",
      ResultsKey: KEY,
    });
    expect(new Set(allowed.map(({ Sid }) => Sid)).size).toBe(allowed.length);
  });

  test("a host pulls, reads what to run, is seen, and takes the worker's role for its container", async () => {
    const sids = (await statements({}, "image-gen-host")).map(({ Sid }) => Sid);
    expect(sids).toEqual(["RegistryToken", "Pull", "ReadDeployment", "Logs", "Metrics", "SessionManager", "Worker"]);
    const { resources } = await fleetWith();
    const roles = inputsOf(resources, "aws:iam/role:Role");
    expect(JSON.parse(String(roles["image-gen-worker"]?.assumeRolePolicy))).toMatchObject({
      Statement: [{ Principal: { AWS: "arn:aws:iam::1:role/image-gen-host" }, Action: "sts:AssumeRole" }],
    });
  });
});

test("whoever sends jobs may write to the queue and the store, and wake the fleet", () => {
  const arns = { queueArn: "arn:queue", bucketArn: "arn:aws:s3:::results", groupArn: "arn:group" };
  const allowed = clientStatements(fleetPlanWith().jobs, arns, "us-east-1");
  expect(allowed.map(({ Action, Resource }) => [Action, Resource])).toEqual([
    [["sqs:SendMessage", "sqs:GetQueueAttributes"], "arn:queue"],
    [["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "arn:aws:s3:::results/fleet/*"],
    [["s3:ListBucket"], "arn:aws:s3:::results"],
    [["autoscaling:SetDesiredCapacity"], "arn:group"],
    [["autoscaling:DescribeAutoScalingGroups"], "*"],
  ]);
});

describe("hosts", () => {
  const filesOf = async (raw: Record<string, string> = {}) => {
    const { resources } = await fleetWith(raw);
    const text = gunzipSync(Buffer.from(String(theOnly(resources, TEMPLATE).inputs.userData), "base64")).toString();
    const { write_files } = JSON.parse(text.slice(text.indexOf("\n"))) as {
      write_files: { path: string; content: string }[];
    };
    return Object.fromEntries(write_files.map(({ path, content }) => [path, content]));
  };

  test("run the worker, with the addresses of queue and store", async () => {
    const { resources } = await fleetWith({ modelMirror: "s3://models/mirror" });
    const { secret } = theOnly(resources, "aws:ssm/parameter:Parameter").inputs.value as { secret: string };
    expect(JSON.parse(secret)).toMatchObject({
      command: ["image-gen", "work"],
      environment: {
        IMAGE_GEN_QUEUE_URL: "https://sqs.us-east-1.amazonaws.com/1/image-gen-jobs",
        IMAGE_GEN_DEAD_LETTER_QUEUE_URL: "https://sqs.us-east-1.amazonaws.com/1/image-gen-dead-letters",
        IMAGE_GEN_JOB_STORE: "s3://image-gen-results/fleet",
        IMAGE_GEN_MIRROR: "s3://models/mirror",
      },
    });
  });

  test("have the scripts of a host with a volume, but for the one that mounts /data", async () => {
    const files = await filesOf();
    expect(files["/opt/image-gen/bin/data-volume"]).toContain("Amazon EC2 NVMe Instance Storage");
    expect(Object.keys(files)).not.toContain("/opt/image-gen/bin/ready-record");
    expect(Object.keys(files)).not.toContain("/etc/systemd/system/image-gen-ready.service");
    expect(files["/etc/image-gen/host.env"]).toMatch(/^IMAGE_GEN_VOLUME_ID=$/m);
    expect(files["/etc/image-gen/host.env"]).toMatch(/^IMAGE_GEN_DEPLOYMENT=[0-9a-f]{16}$/m);
    expect(files["/etc/image-gen/host.env"]).toMatch(
      /^IMAGE_GEN_MIRROR_ROLE_ARN=arn:aws:iam::1:role\/image-gen-worker$/m,
    );
  });

  test("of another image have another template: the deployment is in what they boot with", async () => {
    const one = (await filesOf())["/etc/image-gen/host.env"];
    const other = (await filesOf({ modelId: "runwayml/stable-diffusion-v1-5" }))["/etc/image-gen/host.env"];
    expect(other).not.toBe(one);
  });

  test("end when they are switched off, have no way in, and no volume but the root", async () => {
    const { resources } = await fleetWith();
    const { inputs } = theOnly(resources, TEMPLATE);
    expect(inputs).toMatchObject({
      instanceInitiatedShutdownBehavior: "terminate",
      // The name of its group is a tag.
      metadataOptions: { httpTokens: "required", httpPutResponseHopLimit: 1, instanceMetadataTags: "enabled" },
      blockDeviceMappings: [{ deviceName: "/dev/xvda", ebs: { encrypted: "true", deleteOnTermination: "true" } }],
    });
    expect(resources.filter(({ type }) => type.includes("Ingress") || type === "aws:ebs/volume:Volume")).toEqual([]);
  });
});

describe("groups", () => {
  const types = [{ instanceType: "g6.xlarge" }, { instanceType: "g5.xlarge" }, { instanceType: "g4dn.xlarge" }];
  const template = {
    launchTemplateSpecification: { launchTemplateId: "image-gen-template-id", version: "3" },
    overrides: types,
  };

  test("are spot hosts over zones and types, and on-demand hosts for the rescue", async () => {
    const { resources } = await fleetWith({ minHosts: "1", maxHosts: "8", rescueHosts: "2" });
    const groups = inputsOf(resources, GROUP);
    const both = {
      vpcZoneIdentifiers: ["image-gen-subnet-a-id", "image-gen-subnet-b-id"],
      healthCheckType: "EC2",
      enabledMetrics: ["GroupDesiredCapacity", "GroupInServiceInstances"],
      suspendedProcesses: ["AZRebalance"],
      waitForCapacityTimeout: "0",
      instanceRefresh: {
        strategy: "Rolling",
        preferences: { minHealthyPercentage: 50, scaleInProtectedInstances: "Refresh" },
      },
    };
    expect(groups["image-gen-spot"]).toMatchObject({
      ...both,
      minSize: 1,
      maxSize: 8,
      capacityRebalance: true,
      mixedInstancesPolicy: {
        instancesDistribution: {
          onDemandBaseCapacity: 0,
          onDemandPercentageAboveBaseCapacity: 0,
          spotAllocationStrategy: "price-capacity-optimized",
        },
        launchTemplate: template,
      },
    });
    expect(groups["image-gen-rescue"]).toMatchObject({
      ...both,
      minSize: 0,
      maxSize: 2,
      mixedInstancesPolicy: {
        instancesDistribution: {
          onDemandBaseCapacity: 0,
          onDemandPercentageAboveBaseCapacity: 100,
          onDemandAllocationStrategy: "prioritized",
        },
        launchTemplate: template,
      },
    });
    for (const inputs of Object.values(groups)) {
      expect(inputs).not.toHaveProperty("desiredCapacity");
      // A host is protected by its worker alone, and not from its launch on.
      expect(inputs).not.toHaveProperty("protectFromScaleIn");
    }
  });

  test("without rescue hosts there is one", async () => {
    const { resources } = await fleetWith({ rescueHosts: "0" });
    expect(Object.keys(inputsOf(resources, GROUP))).toEqual(["image-gen-spot"]);
    const alarms = Object.keys(inputsOf(resources, "aws:cloudwatch/metricAlarm:MetricAlarm"));
    expect(alarms.filter((name) => /rescue|calm/.test(name))).toEqual([]);
  });

  test("a customer's key of the root disk is granted to both services that start hosts", async () => {
    const { resources } = await fleetWith({ kmsKeyArn: KEY });
    const grants = Object.values(inputsOf(resources, "aws:kms/grant:Grant"));
    expect(grants.map(({ granteePrincipal }) => String(granteePrincipal).split("/").at(-1))).toEqual([
      "AWSServiceRoleForAutoScaling",
      "AWSServiceRoleForEC2Spot",
    ]);
  });
});

describe("the network", () => {
  test("has a subnet in every zone, and hosts in those that offer a type", async () => {
    const { resources, result } = await fleetWith();
    const subnets = inputsOf(resources, SUBNET);
    expect(Object.fromEntries(Object.entries(subnets).map(([name, { cidrBlock }]) => [name, cidrBlock]))).toEqual({
      "image-gen-subnet-a": "10.96.1.0/24",
      "image-gen-subnet-b": "10.96.2.0/24",
      "image-gen-subnet-e": "10.96.5.0/24",
    });
    expect(result.network.subnetIds).toHaveLength(2);
    expect(theOnly(resources, "aws:ec2/vpcEndpoint:VpcEndpoint").inputs).toMatchObject({
      serviceName: "com.amazonaws.us-east-1.s3",
      vpcEndpointType: "Gateway",
    });
  });

  test("without egress has endpoints for the queue, the role and the groups too, and one for S3 that lets results through", async () => {
    const { resources } = await fleetWith({ network: "endpoints-only", modelCache: "baked" });
    const endpoints = inputsOf(resources, "aws:ec2/vpcEndpoint:VpcEndpoint");
    expect(Object.keys(endpoints).sort()).toEqual(
      ["autoscaling", "ecr-api", "ecr-dkr", "logs", "monitoring", "s3", "sqs", "ssm", "ssmmessages", "sts"].map(
        (name) => `image-gen-${name}`,
      ),
    );
    const { Statement } = JSON.parse(String(endpoints["image-gen-s3"]?.policy)) as { Statement: object[] };
    expect(Statement[1]).toEqual({
      Effect: "Allow",
      Principal: "*",
      Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"],
      Resource: ["arn:aws:s3:::image-gen-results", "arn:aws:s3:::image-gen-results/*"],
    });
    expect(resources.filter(({ type }) => type.includes("internetGateway"))).toEqual([]);
  });

  test("behind a NAT gateway has one, in the first zone with a type", async () => {
    const { resources } = await fleetWith({ network: "nat" });
    expect(theOnly(resources, "aws:ec2/natGateway:NatGateway").inputs.subnetId).toBe("image-gen-nat-id");
    expect(inputsOf(resources, SUBNET)["image-gen-nat"]).toMatchObject({ availabilityZone: "us-east-1a" });
  });

  test("may be an existing one", async () => {
    const subnetIds = "subnet-0123456789abcdef0,subnet-0123456789abcdef1";
    const { resources, result } = await fleetWith({ subnetIds });
    expect(result.network.subnetIds).toEqual(subnetIds.split(","));
    expect(resources.filter(({ type }) => /vpc:Vpc|subnet:Subnet/.test(type))).toEqual([]);
  });
});
