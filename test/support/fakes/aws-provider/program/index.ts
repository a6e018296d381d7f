/** A host with a volume, as it is written without knowing the traps; config switches each protection on. */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
const is = (key: string) => config.getBoolean(key) ?? false;
const zone = config.get("zone") ?? "us-east-1a";
const ami = "ami-0ca77a28d8801702a";

const vpc = new aws.ec2.Vpc("vpc", { cidrBlock: "10.0.0.0/16" });
const subnet = new aws.ec2.Subnet("subnet", {
  vpcId: vpc.id,
  cidrBlock: "10.0.0.0/24",
  availabilityZone: "us-east-1a",
});
const volume = new aws.ebs.Volume(
  "volume",
  {
    availabilityZone: zone,
    size: config.getNumber("size") ?? 50,
    type: "gp3",
    iops: config.getNumber("iops") ?? 3000,
    throughput: config.getNumber("throughput") ?? 300,
    encrypted: true,
  },
  { retainOnDelete: is("retain") },
);
const instance = new aws.ec2.Instance(
  "instance",
  {
    ami,
    instanceType: config.get("type") ?? "g6.xlarge",
    subnetId: subnet.id,
    userData: config.get("userData") ?? "#!/bin/sh\n",
    userDataReplaceOnChange: true,
    metadataOptions: { httpTokens: "required" },
    rootBlockDevice: { encrypted: true, volumeSize: config.getNumber("rootSize") ?? 60 },
    ...(is("spot") ? { instanceMarketOptions: { marketType: "spot" } } : {}),
  },
  { deleteBeforeReplace: is("instanceFirst") },
);
new aws.ec2.VolumeAttachment(
  "attachment",
  { deviceName: "/dev/sdf", volumeId: volume.id, instanceId: instance.id, stopInstanceBeforeDetaching: is("stop") },
  { deleteBeforeReplace: is("attachmentFirst") },
);
export const volumeId = volume.id;
