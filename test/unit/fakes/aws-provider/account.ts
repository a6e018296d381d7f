import { Cloud, type Knobs } from "../../../../aws-fake/cloud.ts";
import type { Props } from "../../../../aws-fake/kind.ts";
import { AwsProvider } from "../../../../aws-fake/provider.ts";

/** An account with a network, asked as the engine would ask. */
export class Account {
  readonly cloud: Cloud;
  readonly provider: AwsProvider;
  subnet = "";

  constructor(knobs: Partial<Knobs> = {}) {
    this.cloud = new Cloud(knobs);
    this.provider = new AwsProvider(this.cloud);
  }

  static async open(knobs: Partial<Knobs> = {}): Promise<Account> {
    const account = new Account(knobs);
    const vpc = await account.create("aws:ec2/vpc:Vpc", { cidrBlock: "10.0.0.0/16" });
    const inputs = { vpcId: vpc, cidrBlock: "10.0.0.0/24", availabilityZone: "us-east-1a" };
    account.subnet = await account.create("aws:ec2/subnet:Subnet", inputs);
    return account;
  }

  async create(type: string, inputs: Props, name = "it"): Promise<string> {
    const asked = { type, name, peer: "test" };
    const checked = this.provider.check(asked, inputs, {}).inputs;
    return (await this.provider.create(asked, checked, false)).id;
  }

  async volume(changes: Props = {}): Promise<string> {
    const inputs = { availabilityZone: "us-east-1a", size: 50, type: "gp3", encrypted: true, ...changes };
    return this.create("aws:ebs/volume:Volume", inputs);
  }

  async host(changes: Props = {}): Promise<string> {
    return this.create("aws:ec2/instance:Instance", {
      ami: "ami-0ca77a28d8801702a",
      instanceType: "g6.xlarge",
      subnetId: this.subnet,
      metadataOptions: { httpTokens: "required" },
      rootBlockDevice: { encrypted: true, volumeSize: 60 },
      ...changes,
    });
  }

  async attach(volumeId: string, instanceId: string, changes: Props = {}): Promise<string> {
    const inputs = { volumeId, instanceId, deviceName: "/dev/sdf", ...changes };
    return this.create("aws:ec2/volumeAttachment:VolumeAttachment", inputs);
  }

  async update(type: string, id: string, olds: Props, news: Props): Promise<Props> {
    return this.provider.update({ type, name: "it", peer: "test" }, id, news, olds, olds, false);
  }

  async delete(type: string, id: string, state: Props = {}): Promise<void> {
    await this.provider.delete({ type, name: "it", peer: "test" }, id, state);
  }

  replaces(type: string, olds: Props, news: Props): readonly string[] {
    return this.provider.diff({ type, name: "it", peer: "test" }, olds, news, olds).replaces;
  }
}
