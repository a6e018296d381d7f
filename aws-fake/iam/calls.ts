/**
 * What the provider asks of AWS for each type of resource, as AWS's service authorization reference names actions, resources and keys
 * (https://docs.aws.amazon.com/service-authorization/latest/reference/). Written without regard to the roles of CI, whose table it is to test.
 */
import type { Cloud } from "../cloud.ts";
import { type Props, text } from "../kind.ts";
import { call, type TargetResource, type Verb } from "./call.ts";
import { EC2, EC2_RELATIONS, ec2Calls } from "./ec2-calls.ts";
import type { ApiCall } from "./evaluate.ts";
import { FLEET } from "./fleet-calls.ts";
import { NAMED } from "./named-calls.ts";

/** Functions of the provider that read the account. */
const LOOKUPS: Readonly<Record<string, (cloud: Cloud, args: Props) => readonly ApiCall[]>> = {
  getCallerIdentity: () => [],
  getAvailabilityZones: () => [call("ec2:DescribeAvailabilityZones", "*")],
  getInstanceTypeOfferings: () => [call("ec2:DescribeInstanceTypeOfferings", "*")],
  getSubnet: () => [call("ec2:DescribeSubnets", "*")],
  getParameter: (cloud, { name }) => [parameterCall(cloud, "ssm:GetParameter", text(name))],
  getAuthorizationToken: () => [call("ecr:GetAuthorizationToken", "*")],
};

export function lookupCalls(cloud: Cloud, token: string, args: Props): readonly ApiCall[] {
  const name = token.split(":").at(-1) ?? "";
  const found = LOOKUPS[name];
  if (!found) throw new Error(`the fake of IAM has no calls of ${token}: add them to iam/calls.ts`);
  return found(cloud, args);
}

/** Amazon's own parameters have no account in their ARN. */
function parameterCall(cloud: Cloud, action: string, name: string): ApiCall {
  const account = name.startsWith("/aws/service/") ? "" : cloud.account;
  return call(action, `arn:aws:ssm:${cloud.region}:${account}:parameter${name}`);
}

export function callsOf(cloud: Cloud, verb: Verb, target: TargetResource): readonly ApiCall[] {
  const place = {
    cloud,
    arn: (service: string, resource: string) => cloud.arn(service, resource),
    iam: (resource: string) => cloud.arn("iam", resource),
  };
  const named = NAMED[target.type] ?? FLEET[target.type];
  if (named) return named(place, { ...target.props, ...target.news, __id: target.id })[verb];
  const relation = EC2_RELATIONS[target.type];
  if (relation) return relation(cloud, target)[verb];
  if (!(target.type in EC2))
    throw new Error(`the fake of IAM has no calls of ${target.type}: add them to iam/calls.ts`);
  return ec2Calls(cloud, verb, target);
}
