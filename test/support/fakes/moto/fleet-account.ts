/** A fleet as an `up` leaves it, on loopback: groups, queues and the job store, for the commands of an operator. */
import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
  SetDesiredCapacityCommand,
  SetInstanceProtectionCommand,
} from "@aws-sdk/client-auto-scaling";
import { CloudWatchClient, PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { CreateLaunchTemplateCommand, EC2Client } from "@aws-sdk/client-ec2";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { AMI } from "./account.ts";
import { AwsApi } from "./aws-api.ts";
import { Operator } from "./operator.ts";

export const SPOT = "image-gen-spot-1";
export const RESCUE = "image-gen-rescue-1";
export const GATEWAY_URL = "https://image-gen-alb-1.us-east-1.elb.amazonaws.com";
const FLEET_LOGS = "/imagegen/aws-fleet";
const BUCKET = "results";
const PREFIX = "fleet/";

/** What a test finds there: made afresh before each, without a host. */
export class FleetAccount {
  api!: AwsApi;
  operator!: Operator;
  queueUrl = "";
  deadLetterQueueUrl = "";
  /** Of the last `up`. */
  outputs: Readonly<Record<string, unknown>> = {};
  #sdk!: ReturnType<typeof clients>;

  async open(): Promise<void> {
    this.api = await AwsApi.start();
    this.operator = new Operator(this.api);
    this.#sdk = clients(this.api.moto.url);
  }

  close(): void {
    this.operator.remove();
    this.api.stop();
  }

  async furnish({ least = 0 } = {}): Promise<void> {
    await this.api.reset();
    const { scaling, ec2, sqs, s3 } = this.#sdk;
    const made = await ec2.send(
      new CreateLaunchTemplateCommand({
        LaunchTemplateName: "image-gen",
        LaunchTemplateData: { ImageId: AMI, InstanceType: "g6.xlarge" },
      }),
    );
    const tags = { "imagegen:project": "Picture-Perfect-Challenge", "imagegen:stack": "aws-fleet" };
    for (const [name, min, most] of [
      [SPOT, least, 4],
      [RESCUE, 0, 1],
    ] as const) {
      await scaling.send(
        new CreateAutoScalingGroupCommand({
          AutoScalingGroupName: name,
          MinSize: min,
          MaxSize: most,
          AvailabilityZones: ["us-east-1a"],
          LaunchTemplate: { LaunchTemplateId: made.LaunchTemplate?.LaunchTemplateId, Version: "1" },
          Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value, PropagateAtLaunch: true })),
        }),
      );
    }
    const queue = async (QueueName: string) => (await sqs.send(new CreateQueueCommand({ QueueName }))).QueueUrl ?? "";
    this.queueUrl = await queue("jobs");
    this.deadLetterQueueUrl = await queue("dead-letters");
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    this.outputs = {
      target: "fleet",
      region: "us-east-1",
      queueUrl: this.queueUrl,
      deadLetterQueueUrl: this.deadLetterQueueUrl,
      jobStore: `s3://${BUCKET}/fleet`,
      spotGroup: SPOT,
      rescueGroup: RESCUE,
      logGroup: FLEET_LOGS,
    };
    this.operator.state(this.outputs);
  }

  /** A gateway, as ECS has it now. */
  gateway(service: {
    readonly desiredCount: number;
    readonly runningCount: number;
    readonly deployments?: readonly object[];
    readonly events?: readonly object[];
  }): void {
    this.api.services.set("gateway-service", { status: "ACTIVE", ...service });
    const own = { url: GATEWAY_URL, gatewayCluster: "gateway-cluster", gatewayService: "gateway-service" };
    this.operator.state({ ...this.outputs, ...own });
  }

  /** As a policy does. */
  async want(name: string, hosts: number): Promise<void> {
    const input = { AutoScalingGroupName: name, DesiredCapacity: hosts };
    await this.#sdk.scaling.send(new SetDesiredCapacityCommand(input));
  }

  /** As the worker of a host does that has jobs. */
  async protect(name: string, ...hosts: readonly string[]): Promise<void> {
    const input = { AutoScalingGroupName: name, InstanceIds: [...hosts], ProtectedFromScaleIn: true };
    await this.#sdk.scaling.send(new SetInstanceProtectionCommand(input));
  }

  async group(name: string) {
    const answer = await this.#sdk.scaling.send(
      new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }),
    );
    const {
      DesiredCapacity,
      MinSize,
      MaxSize,
      Instances = [],
      SuspendedProcesses = [],
    } = answer.AutoScalingGroups?.[0] ?? {};
    return {
      desired: DesiredCapacity,
      limits: [MinSize, MaxSize],
      hosts: Instances.map(({ InstanceId = "" }) => InstanceId),
      suspended: SuspendedProcesses.map(({ ProcessName }) => ProcessName).sort(),
    };
  }

  async send(body: string, queueUrl = this.queueUrl): Promise<void> {
    await this.#sdk.sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: body }));
  }

  /** The next message, as a worker takes it; null without one. */
  async receive() {
    const input = { QueueUrl: this.queueUrl, MessageSystemAttributeNames: ["MessageGroupId" as const] };
    const [message] = (await this.#sdk.sqs.send(new ReceiveMessageCommand(input))).Messages ?? [];
    return message ? { body: message.Body ?? "", group: message.Attributes?.MessageGroupId } : null;
  }

  /** An object of the job store. */
  async write(name: string, body: string | Uint8Array): Promise<void> {
    await this.#sdk.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${PREFIX}${name}`, Body: body }));
  }

  /** A worker's record, as of now. */
  async worker(id: string, changes: object = {}): Promise<void> {
    const record = { version: 1, id, written: Date.now() / 1000, phase: "ready", engines: 1, busy: 0, error: null };
    await this.write(`workers/${id}.json`, JSON.stringify({ ...record, ...changes }));
  }

  async read(name: string): Promise<Buffer> {
    const { Body } = await this.#sdk.s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: `${PREFIX}${name}` }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  async objects(): Promise<string[]> {
    const { Contents = [] } = await this.#sdk.s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: PREFIX }));
    return Contents.map(({ Key = "" }) => Key.slice(PREFIX.length));
  }

  async logGroup(): Promise<void> {
    await this.#sdk.logs.send(new CreateLogGroupCommand({ logGroupName: FLEET_LOGS }));
  }

  /** Lines of a new stream, each so many milliseconds ago. */
  async log(stream: string, ...lines: readonly (readonly [ago: number, message: string])[]): Promise<void> {
    const of = { logGroupName: FLEET_LOGS, logStreamName: stream };
    await this.#sdk.logs.send(new CreateLogStreamCommand(of));
    const logEvents = lines.map(([ago, message]) => ({ timestamp: Date.now() - ago, message }));
    await this.#sdk.logs.send(new PutLogEventsCommand({ ...of, logEvents }));
  }

  /** SQS's figure, which moto does not send by itself. */
  async oldestJob(seconds: number): Promise<void> {
    const dimension = { Name: "QueueName", Value: "jobs" };
    const MetricData = [
      {
        MetricName: "ApproximateAgeOfOldestMessage",
        Dimensions: [dimension],
        Value: seconds,
        Timestamp: new Date(Date.now() - 90_000),
      },
    ];
    await this.#sdk.watch.send(new PutMetricDataCommand({ Namespace: "AWS/SQS", MetricData }));
  }
}

function clients(endpoint: string) {
  const options = { region: "us-east-1", endpoint, credentials: { accessKeyId: "test", secretAccessKey: "test" } };
  return {
    scaling: new AutoScalingClient(options),
    ec2: new EC2Client(options),
    sqs: new SQSClient(options),
    watch: new CloudWatchClient(options),
    logs: new CloudWatchLogsClient(options),
    s3: new S3Client({ ...options, forcePathStyle: true }),
  };
}

/** The fleet of a file's tests. */
export function useFleet(): FleetAccount {
  const here = new FleetAccount();
  beforeAll(() => here.open());
  afterAll(() => here.close());
  beforeEach(() => here.furnish());
  return here;
}
