/** Rules of ECS: what a task may be on Fargate, and what a service asks of its load balancer. */
import { describe, expect, test } from "vitest";
import type { Props } from "../../../../aws-fake/kind.ts";
import { Account } from "./account.ts";

const CLUSTER = "aws:ecs/cluster:Cluster";
const TASK = "aws:ecs/taskDefinition:TaskDefinition";
const SERVICE = "aws:ecs/service:Service";
const ROLE = "aws:iam/role:Role";
const TARGETS = "aws:lb/targetGroup:TargetGroup";
const SUBNET = "aws:ec2/subnet:Subnet";

const policyOf = (service: string) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }],
  });

const container = (changes: object = {}) => ({
  name: "web",
  image: "1.dkr.ecr.us-east-1.amazonaws.com/r@sha256:1",
  portMappings: [{ containerPort: 8000 }],
  ...changes,
});

/** An account with what a task needs, and such a task. */
async function withTask(changes: Props = {}, containers: readonly object[] = [container()], trusted = "ecs-tasks") {
  const account = await Account.open();
  await account.create(ROLE, { name: "start", assumeRolePolicy: policyOf(`${trusted}.amazonaws.com`) });
  const executionRoleArn = account.cloud.get(ROLE, "start").props.arn;
  const task = await account.create(TASK, {
    family: "web",
    requiresCompatibilities: ["FARGATE"],
    networkMode: "awsvpc",
    cpu: "512",
    memory: "1024",
    executionRoleArn,
    containerDefinitions: JSON.stringify(containers),
    ...changes,
  });
  return { account, task };
}

describe("a task", () => {
  test("of a family that is there is its next revision", async () => {
    const { account, task } = await withTask();
    const { executionRoleArn, containerDefinitions } = account.cloud.get(TASK, task).props;
    const next = await account.create(TASK, {
      ...{ family: "web", requiresCompatibilities: ["FARGATE"], networkMode: "awsvpc", cpu: "512", memory: "1024" },
      executionRoleArn,
      containerDefinitions,
    });
    expect([task, next].map((arn) => arn.split("/").at(-1))).toEqual(["web:1", "web:2"]);
    const olds = { containerDefinitions: "[]", cpu: "512" };
    expect(account.replaces(TASK, olds, { containerDefinitions: "[{}]", cpu: "1024" })).toEqual([
      "containerDefinitions",
      "cpu",
    ]);
  });

  test.each([
    [{ networkMode: "bridge" }, "only supports network mode"],
    [{ memory: "512" }, "No Fargate configuration exists"],
    [{ cpu: "600" }, "No Fargate configuration exists"],
    [{ family: "imagegen-a.b" }, "Family should match"],
    [{ ephemeralStorage: { sizeInGib: 20 } }, "between 21 and 200"],
    [{ executionRoleArn: "" }, "requires task definition to have execution role"],
    [{ containerDefinitions: "[]" }, "at least one container"],
  ])("with %j is refused", async (changes, reason) => {
    await expect(withTask(changes)).rejects.toThrow(reason);
  });

  test.each([
    [[container({ essential: false })], "at least one container has to be essential"],
    [[container(), container()], "must be unique"],
    [[container({ linuxParameters: { tmpfs: [{ containerPath: "/tmp", size: 64 }] } })], "do not support tmpfs"],
    [[container({ linuxParameters: { capabilities: { add: ["NET_ADMIN"] } } })], "do not support privileged"],
    [[container({ stopTimeout: 121 })], "above 120"],
    [[container({ portMappings: [{ containerPort: 8000, hostPort: 80 }] })], "must match"],
    [[container({ mountPoints: [{ sourceVolume: "tmp", containerPath: "/tmp" }] })], "Unknown volume 'tmp'"],
    [[container({ dependsOn: [{ containerName: "x", condition: "START" }] })], "does not exist: x"],
    [
      [container({ name: "first" }), container({ dependsOn: [{ containerName: "first", condition: "SUCCESS" }] })],
      "can't be essential: first",
    ],
    [[container({ secrets: [{ name: "KEY", valueFrom: "sesame" }] })], "Invalid secret"],
  ])("of %j is refused", async (containers, reason) => {
    await expect(withTask({}, containers)).rejects.toThrow(reason);
  });

  test("starts with a role that trusts ECS alone", async () => {
    await expect(withTask({}, [container()], "ec2")).rejects.toThrow("unable to assume the role");
  });

  test("whose log group is not there never starts: that is a broken rule", async () => {
    const logConfiguration = { logDriver: "awslogs", options: { "awslogs-group": "/none" } };
    const { account } = await withTask({}, [container({ logConfiguration })]);
    expect(account.cloud.broken).toEqual(["web writes to the log group /none, which is not there"]);
  });
});

async function subnetIn(account: Account, zone: string): Promise<string> {
  const { vpcId } = account.cloud.get(SUBNET, account.subnet).props;
  const cidrBlock = `10.0.${zone.charCodeAt(zone.length - 1)}.0/24`;
  return account.create(SUBNET, { vpcId, availabilityZone: zone, cidrBlock });
}

/** A balancer in two zones that sends requests to the targets. */
async function listen(account: Account, targetGroupArn: string): Promise<void> {
  const loadBalancerArn = await account.create("aws:lb/loadBalancer:LoadBalancer", {
    name: "web",
    subnets: [account.subnet, await subnetIn(account, "us-east-1b")],
  });
  await account.create("aws:lb/listener:Listener", {
    loadBalancerArn,
    port: 443,
    protocol: "HTTPS",
    certificateArn: "arn:aws:acm:x",
    defaultActions: [{ type: "forward", targetGroupArn }],
  });
}

describe("a service", () => {
  async function withService(changes: Props, { targetType = "ip", hasListener = true } = {}) {
    const { account, task } = await withTask();
    const cluster = await account.create(CLUSTER, { name: "main" });
    const targetGroupArn = await account.create(TARGETS, { name: "web", targetType, port: 8000, protocol: "HTTP" });
    if (hasListener) await listen(account, targetGroupArn);
    const service = await account.create(SERVICE, {
      name: "web",
      cluster,
      taskDefinition: task,
      desiredCount: 2,
      networkConfiguration: { subnets: [account.subnet] },
      loadBalancers: [{ targetGroupArn, containerName: "web", containerPort: 8000 }],
      ...changes,
    });
    return { account, cluster, service };
  }

  test.each([
    [{ taskDefinition: "arn:aws:ecs:us-east-1:1:task-definition/none:1" }, {}, "Unable to find task definition"],
    [{ networkConfiguration: undefined }, {}, "Network Configuration must be provided"],
    [{}, { targetType: "instance" }, "incompatible with the awsvpc network mode"],
    [{}, { hasListener: false }, "does not have an associated load balancer"],
  ])("with %j and %j is refused", async (changes, balancer, reason) => {
    await expect(withService(changes, balancer)).rejects.toThrow(reason);
  });

  test("keeps its cluster, and is the same one with another task or count", async () => {
    const { account, cluster, service } = await withService({});
    await expect(account.delete(CLUSTER, cluster)).rejects.toThrow(/Services are active|dependent object/);
    expect(
      account.replaces(SERVICE, { desiredCount: 2, taskDefinition: "a" }, { desiredCount: 3, taskDefinition: "b" }),
    ).toEqual([]);
    await account.delete(SERVICE, service);
    await account.delete(CLUSTER, cluster);
    expect(account.cloud.all(CLUSTER)).toEqual([]);
  });

  test("in a zone that its balancer is not in gets no request: that is a broken rule", async () => {
    const { account, service } = await withService({});
    expect(account.cloud.broken).toEqual([]);
    const olds = account.cloud.get(SERVICE, service).props;
    const subnets = [await subnetIn(account, "us-east-1c")];
    await account.update(SERVICE, service, olds, { ...olds, networkConfiguration: { subnets } });
    expect(account.cloud.broken).toEqual(["tasks in us-east-1c are in no zone of their load balancer"]);
  });
});
