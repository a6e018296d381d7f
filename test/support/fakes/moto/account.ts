/** A stack on AWS as an `up` leaves it, on loopback: for the commands of an operator. */
import {
  AttachVolumeCommand,
  CreateVolumeCommand,
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { DEFAULT_MODEL_ID } from "../../../../infra/contract.ts";
import { AwsApi } from "./aws-api.ts";
import { Operator } from "./operator.ts";

export const AMI = "ami-0ca77a28d8801702a";
export const GROUP = "/imagegen/aws-volume";

/** What a test finds there: made afresh before each. */
export class Account {
  api!: AwsApi;
  operator!: Operator;
  ec2!: EC2Client;
  ssm!: SSMClient;
  instanceId = "";
  volumeId = "";

  async open(): Promise<void> {
    this.api = await AwsApi.start();
    this.operator = new Operator(this.api);
    const endpoint = this.api.moto.url;
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    this.ec2 = new EC2Client({ region: "us-east-1", endpoint, credentials });
    this.ssm = new SSMClient({ region: "us-east-1", endpoint, credentials });
  }

  close(): void {
    this.operator.remove();
    this.api.stop();
  }

  /** A host with its volume. */
  async furnish(): Promise<void> {
    await this.api.reset();
    const made = await this.ec2.send(
      new RunInstancesCommand({
        ImageId: AMI,
        InstanceType: "g6.xlarge",
        MinCount: 1,
        MaxCount: 1,
        Placement: { AvailabilityZone: "us-east-1a" },
        TagSpecifications: [
          {
            ResourceType: "instance",
            Tags: [
              { Key: "imagegen:project", Value: "Picture-Perfect-Challenge" },
              { Key: "imagegen:stack", Value: "aws-volume" },
            ],
          },
        ],
      }),
    );
    this.instanceId = made.Instances?.[0]?.InstanceId ?? "";
    const volume = await this.ec2.send(new CreateVolumeCommand({ AvailabilityZone: "us-east-1a", Size: 50 }));
    this.volumeId = volume.VolumeId ?? "";
    await this.ec2.send(
      new AttachVolumeCommand({ InstanceId: this.instanceId, VolumeId: this.volumeId, Device: "/dev/sdf" }),
    );
    const names = { parameterPrefix: GROUP, logGroup: GROUP, containerName: "image-game-image-gen" };
    this.operator.state({
      target: "aws",
      url: "http://127.0.0.1:8000",
      instanceId: this.instanceId,
      volumeId: this.volumeId,
      availabilityZone: "us-east-1a",
      ...names,
    });
  }

  /** The host's record, as of now. */
  async report(changes: object = {}): Promise<void> {
    const ready = {
      phase: "ready",
      bytes_done: 0,
      bytes_total: 0,
      eta_seconds: null,
      error: null,
      model: DEFAULT_MODEL_ID,
      revision: null,
      device: "cuda",
      source: "volume",
      phases: { load: 4.2 },
    };
    const record = {
      schema: 1,
      deployment: "d",
      instance: this.instanceId,
      at: new Date().toISOString(),
      phase: "ready",
      ready,
      error: null,
      log: [],
      ...changes,
    };
    const value = JSON.stringify(record);
    await this.ssm.send(
      new PutParameterCommand({ Name: `${GROUP}/ready`, Value: value, Type: "String", Overwrite: true }),
    );
  }

  /** The state of an instance. */
  async stateOf(id: string): Promise<string | undefined> {
    const { Reservations } = await this.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    return Reservations?.[0]?.Instances?.[0]?.State?.Name;
  }
}

/** The account of a file's tests. */
export function useAccount(): Account {
  const here = new Account();
  beforeAll(() => here.open());
  afterAll(() => here.close());
  beforeEach(() => here.furnish());
  return here;
}
