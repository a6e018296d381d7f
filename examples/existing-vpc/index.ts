/** A host in a subnet of your VPC, with your provider: `pulumi config set subnetId subnet-0123456789abcdef0`. */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { AwsImageGen } from "picture-perfect-challenge/aws";

const config = new pulumi.Config();
const subnet = aws.ec2.getSubnetOutput({ id: config.require("subnetId") });

const images = new AwsImageGen(
  "images",
  { region: "us-east-1", vpcId: subnet.vpcId, subnetId: subnet.id, tags: { team: "pictures" } },
  { provider: new aws.Provider("main", { region: "us-east-1" }) },
);

export const instanceId = images.instanceId;
export const availabilityZone = images.availabilityZone;
