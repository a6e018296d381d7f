/** A fleet under the real engine: from nothing to its end, with hosts that policies started, and with jobs and results that stay. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AwsError } from "../../aws-fake/aws-error.ts";
import { Cloud } from "../../aws-fake/cloud.ts";
import { record, text } from "../../aws-fake/kind.ts";
import { containersOf, SERVICE } from "../../aws-fake/kinds/containers.ts";
import { STOPPED_PROCESSES } from "../../cli/targets/fleet/fleet-stack.ts";
import { type EngineStack, failed, succeeded } from "../support/engine-stack.ts";
import { GATEWAY } from "../support/fleet-settings.ts";
import { AwsSetting, awsTests } from "./setting.ts";

const setting = new AwsSetting();
const INSTANCE = "aws:ec2/instance:Instance";
const GROUP = "aws:autoscaling/group:Group";
const QUEUE = "aws:sqs/queue:Queue";
const BUCKET = "aws:s3/bucket:Bucket";
const CLUSTER = "aws:ecs/cluster:Cluster";
const TASKS = "aws:ecs/taskDefinition:TaskDefinition";
const BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const SUBNET = "aws:ec2/subnet:Subnet";
const records = (value: unknown) => (Array.isArray(value) ? value.map(record) : []);
const PATIENT = new Cloud().knobs;

await awsTests("a fleet", setting, () => {
  const cloud = () => setting.fake.cloud;
  let stack: EngineStack;
  let mark = 0;

  beforeEach(() => {
    mark = cloud().calls.length;
  });
  afterEach(() => {
    cloud().knobs = PATIENT;
    expect(cloud().broken).toEqual([]);
  });

  const story = () => cloud().story(mark);
  const ids = (kind: string) =>
    cloud()
      .all(kind)
      .map(({ id }) => id)
      .sort();
  const group = (market: string) =>
    cloud()
      .all(GROUP)
      .find(({ id }) => id.includes(`-${market}-`));
  const hostsOf = (market: string) =>
    cloud()
      .all(INSTANCE)
      .filter(({ props }) => props.__group === group(market)?.id);
  /** Seconds of processors that a preview takes: of two, so that what else the machine does counts less. */
  async function quickest(of: EngineStack): Promise<number> {
    const [first, second] = [succeeded(await of.preview()), succeeded(await of.preview())];
    return Math.min(first.cpuSeconds, second.cpuSeconds);
  }
  /** What holds users' data: it is never another one. */
  const kept = () => ({ queues: ids(QUEUE), buckets: ids(BUCKET) });
  /** As SQS and S3 would have them. */
  function addData(): void {
    for (const queue of cloud().all(QUEUE)) queue.props = { ...queue.props, __jobs: 3 };
    for (const bucket of cloud().all(BUCKET)) bucket.props = { ...bucket.props, __objects: 7 };
  }

  test("of stacks/Pulumi.aws-fleet.yaml as it is: a preview in time, a deploy without a host, and then nothing to change", async () => {
    const single = await quickest(await setting.existing("aws-volume"));
    stack = await setting.existing("aws-fleet");
    const preview = await quickest(stack);
    const ratio = preview / single;
    console.log(
      `preview: fleet ${preview.toFixed(1)} s of processors, one host ${single.toFixed(1)} s, ratio ${ratio.toFixed(2)}`,
    );
    expect(single).toBeGreaterThan(1);
    expect(ratio).toBeLessThan(1.5);

    const { outputs } = succeeded(await stack.up());
    expect(outputs).toMatchObject({ target: "fleet", region: "us-east-1" });
    expect(
      cloud()
        .all(QUEUE)
        .map(({ id }) => id),
    ).toContain(outputs.queueUrl);
    expect(String(outputs.jobStore)).toBe(`s3://${cloud().all(BUCKET)[0]?.id}/fleet`);
    expect(JSON.parse(String(outputs.clientPolicy))).toMatchObject({ Version: "2012-10-17" });
    expect(cloud().all(INSTANCE)).toEqual([]);
    expect(succeeded(await stack.up()).changes).toEqual([]);
  });

  test("hosts that policies started are none of the program's: the next update leaves them", async () => {
    const full = ({ type, market }: { type: string; market: string }) => market === "spot" && type === "g6.xlarge";
    cloud().knobs = { ...PATIENT, noCapacity: full };
    setting.fake.want(text(group("spot")?.id), 3);
    setting.fake.want(text(group("rescue")?.id), 1);
    const types = (market: string) => hostsOf(market).map(({ props }) => [props.instanceType, props.instanceLifecycle]);
    expect(types("spot")).toEqual(Array.from({ length: 3 }, () => ["g5.xlarge", "spot"]));
    expect(types("rescue")).toEqual([["g6.xlarge", ""]]);
    const before = ids(INSTANCE);
    addData();
    expect(succeeded(await stack.up({ refresh: true })).changes).toEqual([]);
    expect(ids(INSTANCE)).toEqual(before);
  });

  test("a group that is to have fewer ends idle hosts, and a busy one once its worker opens it", () => {
    const spot = text(group("spot")?.id);
    setting.fake.want(spot, 4);
    const [idle, ...busy] = hostsOf("spot").map(({ id }) => id);
    for (const id of busy) setting.fake.protect(id);
    setting.fake.want(spot, 2);
    expect(ids(INSTANCE)).not.toContain(idle);
    expect(hostsOf("spot").map(({ id }) => id)).toEqual(busy);
    setting.fake.protect(text(busy[0]), false);
    expect(hostsOf("spot").map(({ id }) => id)).toEqual(busy.slice(1));
    setting.fake.want(spot, 3);
    expect(hostsOf("spot")).toHaveLength(3);
  });

  test("a group goes to another zone where one has no capacity", async () => {
    cloud().knobs = { ...PATIENT, noCapacity: ({ zone }) => zone === "us-east-1a" };
    setting.fake.want(text(group("spot")?.id), 4);
    const zones = hostsOf("spot").map(({ props }) => props.availabilityZone);
    expect(zones.at(-1)).toBe("us-east-1b");
  });

  test("that was stopped by its groups' processes stays so: an update changes what config says, and starts no host", async () => {
    const before = ids(INSTANCE);
    const processes = () =>
      cloud()
        .all(GROUP)
        .map(({ props }) => props.suspendedProcesses);
    const set = (suspendedProcesses: readonly string[]) => {
      for (const one of cloud().all(GROUP)) one.props = { ...one.props, suspendedProcesses: [...suspendedProcesses] };
    };
    const stopped = ["AZRebalance", ...STOPPED_PROCESSES];
    expect(processes()).toEqual([["AZRebalance"], ["AZRebalance"]]);
    set(stopped);
    setting.fake.want(text(group("spot")?.id), 5);
    expect(ids(INSTANCE)).toEqual(before);
    expect(succeeded(await stack.up({ refresh: true })).changes).toEqual([]);
    stack.change({ maxHosts: "6" });
    expect(succeeded(await stack.up({ refresh: true })).changes).toEqual([`update ${GROUP}`]);
    expect(processes()).toEqual([stopped, stopped]);
    expect(ids(INSTANCE)).toEqual(before);
    set(["AZRebalance"]);
    setting.fake.want(text(group("spot")?.id), 4);
    expect(ids(INSTANCE)).toEqual(before);
  });

  test("another image is another host each, and touches neither queues, results nor mirror", async () => {
    const [data, hosts] = [kept(), ids(INSTANCE)];
    const isBusy = ({ props }: { readonly props: object }) => record(props).__protected === true;
    expect(hostsOf("spot").filter(isBusy)).toHaveLength(2);
    appendFileSync(join(setting.project.directory, "image-gen/src/image_gen/__init__.py"), "\n# changed\n");
    const preview = succeeded(await stack.preview());
    // The tag of an image is another one's.
    const gone = (changes: readonly string[]) => changes.filter((change) => /(?:delete|replace).* aws:/.test(change));
    expect(gone(preview.changes)).toEqual([]);
    expect(gone(succeeded(await stack.up()).changes)).toEqual([]);
    const calls = story().filter((line) => /AutoScaling|LaunchTemplate|InstanceRefresh|Queue|Bucket/.test(line));
    expect(
      calls.map((line) => line.replace(/(-[0-9a-f]{7}| LaunchTemplate \d+| image-gen-template)$/, "")).sort(),
    ).toEqual([
      "CreateLaunchTemplateVersion",
      "StartInstanceRefresh image-gen-rescue",
      "StartInstanceRefresh image-gen-spot",
      "UpdateAutoScalingGroup image-gen-rescue",
      "UpdateAutoScalingGroup image-gen-spot",
    ]);
    expect(ids(INSTANCE)).toHaveLength(hosts.length);
    expect(ids(INSTANCE).filter((id) => hosts.includes(id))).toEqual([]);
    expect(kept()).toEqual(data);
  });

  test.each([
    ["patience", { patienceSeconds: "900" }, /^Put(ScalingPolicy|MetricAlarm) /],
    ["time of idleness", { idleMinutes: "30" }, /^PutMetricAlarm image-gen-idle/],
    ["most hosts", { maxHosts: "9" }, /^UpdateAutoScalingGroup image-gen-spot/],
    ["days of results", { resultDays: "30" }, /^(PutBucketLifecycleConfiguration|SetQueueAttributes) /],
  ])("another %s changes that alone", async (_, config, expected) => {
    const [data, hosts] = [kept(), ids(INSTANCE)];
    stack.change(config);
    succeeded(await stack.up());
    expect(story().length).toBeGreaterThan(0);
    expect(story().filter((line) => !expected.test(line))).toEqual([]);
    expect([kept(), ids(INSTANCE)]).toEqual([data, hosts]);
  });

  test("a policy that a group can't have is refused by name", async () => {
    stack.change({ minHosts: "20" });
    expect(failed(await stack.preview())).toContain(
      "maxHosts: expected at least minHosts, 20, got 9. Fix: pulumi config set maxHosts 20",
    );
    stack.change({ minHosts: undefined });
  });

  test("when it is destroyed, all hosts go, and queues, results and images stay with what guards them", async () => {
    const data = kept();
    for (const { id } of cloud().all(INSTANCE)) setting.fake.protect(id);
    mark = cloud().calls.length;
    succeeded(await stack.destroy("--exclude-protected"));
    // No worker may protect its host any more when the groups are set to none.
    const order = story().filter((line) => /^(?:DeleteRolePolicy .*-protection|SetInstanceProtection )/.test(line));
    expect(order.map((line) => line.split(" ")[0])).toEqual([
      "DeleteRolePolicy",
      "SetInstanceProtection",
      "SetInstanceProtection",
    ]);
    expect(cloud().all(INSTANCE)).toEqual([]);
    expect(cloud().all(GROUP)).toEqual([]);
    expect(kept()).toEqual(data);
    const left = cloud()
      .inventory()
      .map(({ kind }) => kind.split(":").at(-1));
    expect([...new Set(left)].sort()).toEqual([
      "Bucket",
      "BucketLifecycleConfiguration",
      "BucketPolicy",
      "BucketPublicAccessBlock",
      "BucketServerSideEncryptionConfiguration",
      "LifecyclePolicy",
      "Queue",
      "QueuePolicy",
      "RedriveAllowPolicy",
      "Repository",
    ]);
    // The next one finds them again.
    succeeded(await stack.up());
    expect(kept()).toEqual(data);
  });

  test("with a gateway: made, unchanged the second time, with more tasks, another image, and without it again", async () => {
    const data = kept();
    stack.change(GATEWAY);
    const never = "waiting for ECS Service create: ECS deployment circuit breaker: tasks failed to start.";
    cloud().knobs = { ...PATIENT, refuses: { [SERVICE]: new AwsError("DeploymentFailed", never) } };
    const reason = failed(await stack.up());
    const cluster = text(cloud().all(CLUSTER)[0]?.id);
    expect(reason).toMatch(/The tasks of the gateway did not answer: a secret that ECS can't read/);
    expect(reason).toContain(
      `aws ecs describe-services --region us-east-1 --cluster ${cluster} --services image-gen-gateway-`,
    );
    cloud().knobs = PATIENT;
    const { outputs } = succeeded(await stack.up());
    const [service] = cloud().all(SERVICE);
    expect(service?.props).toMatchObject({ desiredCount: 2, launchType: "FARGATE", waitForSteadyState: true });
    const [balancer] = cloud().all(BALANCER);
    expect(outputs).toMatchObject({
      url: `https://${text(balancer?.props.dnsName)}`,
      gatewayCluster: cloud().all(CLUSTER)[0]?.props.name,
      gatewayService: service?.props.name,
    });
    const [, gateway] = containersOf(cloud().all(TASKS)[0]?.props ?? {});
    const environment = Object.fromEntries(records(gateway?.environment).map(({ name, value }) => [name, value]));
    expect(environment).toMatchObject({
      IMAGE_GEN_QUEUE_URL: outputs.queueUrl,
      IMAGE_GEN_JOB_STORE: outputs.jobStore,
      IMAGE_GEN_AUTO_SCALING_GROUP: outputs.spotGroup,
    });
    expect(gateway?.image).toBe(outputs.imageReference);
    expect(succeeded(await stack.up({ refresh: true })).changes).toEqual([]);

    mark = cloud().calls.length;
    stack.change({ gatewayCount: "3" });
    expect(succeeded(await stack.up()).changes).toEqual([`update ${SERVICE}`]);
    expect(cloud().all(SERVICE)[0]?.props.desiredCount).toBe(3);

    appendFileSync(join(setting.project.directory, "image-gen/src/image_gen/__init__.py"), "\n# changed again\n");
    mark = cloud().calls.length;
    succeeded(await stack.up());
    const calls = story().filter((line) => /TaskDefinition|Service /.test(line));
    expect(calls.map((line) => line.split(" ")[0])).toEqual([
      "RegisterTaskDefinition",
      "UpdateService",
      "DeregisterTaskDefinition",
    ]);
    expect(ids(SERVICE)).toEqual([service?.id]);

    stack.change({ gatewayCount: "0", deletionProtection: "true" });
    expect(failed(await stack.preview())).toContain(
      "gatewayCount: expected 1 or more, until an update with deletionProtection false",
    );
    const hosts = ids(INSTANCE);
    stack.change({ deletionProtection: undefined });
    expect(succeeded(await stack.up()).outputs).toMatchObject({ url: null, gatewayService: null });
    for (const kind of [TASKS, SERVICE, CLUSTER, BALANCER]) expect(ids(kind)).toEqual([]);
    // The bucket of the access logs goes with the balancer.
    expect([kept(), ids(INSTANCE)]).toEqual([data, hosts]);
  });

  test("in existing subnets puts the gateway where its load balancer reaches it", async () => {
    const vpcId = "vpc-of-theirs";
    cloud().add("aws:ec2/vpc:Vpc", vpcId, { arn: vpcId });
    const add = (index: number, zone: string, mapPublicIpOnLaunch: boolean) =>
      cloud().add(SUBNET, `subnet-0000000${index}`, { vpcId, availabilityZone: zone, mapPublicIpOnLaunch }).id;
    const own = [add(0, "us-east-1a", false), add(1, "us-east-1b", false), add(2, "us-east-1c", false)];
    const balancer = [add(3, "us-east-1b", true), add(4, "us-east-1c", true)];
    const theirs = await setting.stack("theirs", {
      target: "fleet",
      resultsOnDestroy: "delete",
      imagesOnDestroy: "delete",
      ...GATEWAY,
      subnetIds: own.join(","),
      albSubnetIds: [add(5, "us-east-1d", true), add(6, "us-east-1f", true)].join(","),
    });
    expect(failed(await theirs.preview())).toContain(
      "albSubnetIds: expected a zone of subnetIds (us-east-1a, us-east-1b, us-east-1c): a load balancer reaches no task in another one, got subnets in us-east-1d, us-east-1f. Fix: pulumi config set albSubnetIds subnet-…,subnet-…",
    );
    theirs.change({ albSubnetIds: [balancer[0], add(7, "us-east-1b", true)].join(",") });
    expect(failed(await theirs.preview())).toContain("albSubnetIds: expected subnets in two zones or more");
    theirs.change({ albSubnetIds: balancer.join(",") });
    succeeded(await theirs.up());
    const [network] = records([cloud().all(SERVICE)[0]?.props.networkConfiguration].flat());
    expect(network).toMatchObject({ subnets: own.slice(1), assignPublicIp: false });
    succeeded(await theirs.destroy());
    expect(ids(SERVICE)).toEqual([]);
  });

  test("of which nothing is to stay leaves nothing", async () => {
    const before = new Set(
      cloud()
        .inventory()
        .map(({ kind, id }) => `${kind} ${id}`),
    );
    const brief = await setting.stack("brief", {
      target: "fleet",
      resultsOnDestroy: "delete",
      imagesOnDestroy: "delete",
      rescueHosts: "0",
      network: "endpoints-only",
      modelCache: "baked",
      dashboard: "true",
      ...GATEWAY,
      kmsKeyArn: KEY,
    });
    cloud().add("aws:kms/key:Key", "1", { arn: KEY, keyId: "1" });
    succeeded(await brief.up());
    const own = cloud()
      .all(GROUP)
      .filter(({ props }) => record(props.mixedInstancesPolicy) && !before.has(`${GROUP} ${String(props.name)}`));
    expect(own).toHaveLength(1);
    setting.fake.want(text(own[0]?.id), 2);
    succeeded(await brief.destroy());
    const left = cloud()
      .inventory()
      .map(({ kind, id }) => `${kind} ${id}`);
    expect(left.filter((one) => !before.has(one) && !one.startsWith("aws:kms/key"))).toEqual([]);
  });
});

const KEY = "arn:aws:kms:us-east-1:123456789012:key/1";
