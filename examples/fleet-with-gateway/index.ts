/**
 * A fleet: hosts come with jobs and go without them. Clients send requests to its gateway, with the keys of a secret, and a program of
 * yours that sends jobs to the queue itself gets the fleet's policy: `pulumi config set certificateArn …`, `apiKeySecretArn`, `clientRole`.
 */
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { AwsImageGenFleet } from "picture-perfect-challenge/fleet";

const config = new pulumi.Config();

const fleet = new AwsImageGenFleet("fleet", {
  region: "us-east-1",
  maxHosts: 8,
  modelMirror: config.get("modelMirror"),
  gatewayCount: 2,
  certificateArn: config.require("certificateArn"),
  apiKeySecretArn: config.require("apiKeySecretArn"),
  allowedCidrs: ["203.0.113.0/24"],
});

const clientRole = config.get("clientRole");
if (clientRole !== undefined) new aws.iam.RolePolicy("jobs", { role: clientRole, policy: fleet.clientPolicy });

export const url = fleet.url;
export const queueUrl = fleet.queueUrl;
export const jobStore = fleet.jobStore;
