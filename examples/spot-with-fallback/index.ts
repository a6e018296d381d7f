/**
 * A spot host. Where AWS has no spot capacity, the update fails and names the arguments of the next choice. Here they are keys of
 * this program's own: `pulumi config set pinnedInstanceType g5.xlarge`, and at last `pulumi config set pinnedPurchaseOption on-demand`.
 */
import * as pulumi from "@pulumi/pulumi";
import { AwsImageGen } from "picture-perfect-challenge/aws";

const config = new pulumi.Config();

const images = new AwsImageGen("images", {
  region: "us-east-1",
  instanceTypes: ["g6.xlarge", "g5.xlarge", "g4dn.xlarge"],
  purchaseOption: "spot-then-on-demand",
  pinnedInstanceType: config.get("pinnedInstanceType"),
  pinnedPurchaseOption: config.get<"spot" | "on-demand">("pinnedPurchaseOption"),
});

export const instanceId = images.instanceId;
export const logGroup = images.logGroup;
