import type { Grants } from "./scopes.ts";

/** A function of the provider that the program calls, by its token: what it asks AWS for. */
interface Lookup {
  readonly grants: Grants;
  /** Not called by a preview without secrets. */
  readonly withSecrets?: boolean;
}

export const LOOKUPS: Readonly<Record<string, Lookup>> = {
  "aws:index/getAvailabilityZones:getAvailabilityZones": { grants: { anyResource: ["ec2:DescribeAvailabilityZones"] } },
  // Anybody may ask who they are.
  "aws:index/getCallerIdentity:getCallerIdentity": { grants: {} },
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {
    grants: { anyResource: ["ec2:DescribeInstanceTypeOfferings"] },
  },
  "aws:ec2/getSubnet:getSubnet": { grants: { anyResource: ["ec2:DescribeSubnets"] } },
  "aws:ssm/getParameter:getParameter": { grants: { publicParameters: ["ssm:GetParameter"] } },
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": {
    grants: { anyResource: ["ecr:GetAuthorizationToken"] },
    withSecrets: true,
  },
  // The secrets of `deploySecretArns` alone: see roles.ts.
  "aws:secretsmanager/getSecretVersion:getSecretVersion": { grants: {}, withSecrets: true },
};

/** Calls of AWS's SDK that the program makes itself, by the command's class: of `infra/io`. */
export const SDK_CALLS: Readonly<Record<string, Grants>> = {
  GetParameterCommand: { parameters: ["ssm:GetParameter"] },
  GetServiceQuotaCommand: { anyResource: ["servicequotas:GetServiceQuota"] },
};

/** What the provider asks for by itself when a host's type changes, in a preview too. */
export const PREVIEW_READS: Grants = { anyResource: ["ec2:DescribeInstanceTypes"] };
