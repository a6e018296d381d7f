/** Rules of the services around a host: logs, load balancers, keys. */
import { describe, expect, test } from "vitest";
import { Account } from "./account.ts";

const BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const BUCKET = "aws:s3/bucket:Bucket";
const POLICY = "aws:s3/bucketPolicy:BucketPolicy";
const FLOW_LOG = "aws:ec2/flowLog:FlowLog";
const trust = (Service: string) =>
  JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { Service } }] });

async function subnets(account: Account): Promise<string[]> {
  const vpcId = account.cloud.all("aws:ec2/vpc:Vpc")[0]?.id;
  const make = (zone: string, cidrBlock: string) =>
    account.create("aws:ec2/subnet:Subnet", { vpcId, cidrBlock, availabilityZone: zone });
  return [await make("us-east-1a", "10.0.8.0/24"), await make("us-east-1b", "10.0.9.0/24")];
}

describe("a load balancer", () => {
  test("writes its access logs only where a bucket's policy lets it", async () => {
    const account = await Account.open();
    const inputs = { name: "alb", subnets: await subnets(account), accessLogs: { enabled: true, bucket: "logs-1" } };
    await expect(account.create(BALANCER, inputs)).rejects.toThrow("Access Denied for bucket");
    await account.create(BUCKET, { bucket: "logs-1" });
    await expect(account.create(BALANCER, inputs)).rejects.toThrow("Access Denied for bucket");
    const statement = {
      Principal: { Service: "logdelivery.elasticloadbalancing.amazonaws.com" },
      Resource: `arn:aws:s3:::logs-1/AWSLogs/${account.cloud.account}/*`,
    };
    await account.create(POLICY, { bucket: "logs-1", policy: JSON.stringify({ Statement: [statement] }) });
    await account.create(BALANCER, inputs);
    await expect(account.delete(BUCKET, "logs-1")).rejects.toThrow();
  });

  test("is not deleted while it is protected", async () => {
    const account = await Account.open();
    const inputs = { name: "alb", subnets: await subnets(account), enableDeletionProtection: true };
    const balancer = await account.create(BALANCER, inputs);
    await expect(account.delete(BALANCER, balancer)).rejects.toThrow("deletion protection is enabled");
    await account.update(BALANCER, balancer, inputs, { ...inputs, enableDeletionProtection: false });
    await account.delete(BALANCER, balancer);
    expect(account.cloud.all(BALANCER)).toEqual([]);
  });
});

test("a bucket with objects goes only when that is asked for", async () => {
  const account = await Account.open();
  await account.create(BUCKET, { bucket: "logs-1" });
  const [bucket] = account.cloud.all(BUCKET);
  if (bucket) bucket.props = { ...bucket.props, __objects: 1 };
  await expect(account.delete(BUCKET, "logs-1", { forceDestroy: false })).rejects.toThrow("BucketNotEmpty");
  await account.delete(BUCKET, "logs-1", { forceDestroy: true });
});

test("flow logs have a group, and a role that their service may take", async () => {
  const account = await Account.open();
  const vpcId = account.cloud.all("aws:ec2/vpc:Vpc")[0]?.id;
  await account.create("aws:cloudwatch/logGroup:LogGroup", { name: "/flows", retentionInDays: 7 });
  const role = (name: string, service: string) =>
    account.create("aws:iam/role:Role", { name, assumeRolePolicy: trust(service) });
  await role("flows", "vpc-flow-logs.amazonaws.com");
  await role("other", "ec2.amazonaws.com");
  const inputs = {
    vpcId,
    logDestinationType: "cloud-watch-logs",
    logDestination: account.cloud.arn("logs", "log-group:/flows"),
    iamRoleArn: account.cloud.arn("iam", "role/flows"),
    maxAggregationInterval: 600,
  };
  const wrong = { iamRoleArn: account.cloud.arn("iam", "role/other") };
  await expect(account.create(FLOW_LOG, { ...inputs, ...wrong })).rejects.toThrow("Access Denied for LogDestination");
  await expect(account.create(FLOW_LOG, { ...inputs, maxAggregationInterval: 300 })).rejects.toThrow("60 or 600");
  await account.create(FLOW_LOG, inputs);
});

describe("a customer's key", () => {
  const KEY = "arn:aws:kms:us-east-1:123456789012:key/1";
  const grant = (role: string) => ({
    keyId: KEY,
    granteePrincipal: `arn:aws:iam::123456789012:role/aws-service-role/spot.amazonaws.com/${role}`,
    operations: ["CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext"],
  });
  const spot = {
    rootBlockDevice: { encrypted: true, volumeSize: 60, kmsKeyId: KEY },
    instanceMarketOptions: { marketType: "spot" },
  };

  test("starts no spot instance before its service has a grant", async () => {
    const account = await Account.open();
    await expect(account.host(spot)).rejects.toThrow("AWSServiceRoleForEC2Spot may not use");
    await account.create("aws:kms/grant:Grant", grant("AWSServiceRoleForEC2Spot"));
    await account.host(spot);
  });

  test("is granted to no role that the account does not have", async () => {
    const account = await Account.open();
    account.cloud.knobs = { ...account.cloud.knobs, missingRoles: ["AWSServiceRoleForEC2Spot"] };
    await expect(account.create("aws:kms/grant:Grant", grant("AWSServiceRoleForEC2Spot"))).rejects.toThrow(
      "InvalidArnException",
    );
  });
});

describe("identity", () => {
  const PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider";
  const policyOf = (length: number) =>
    JSON.stringify({ Version: "2012-10-17", Statement: [{ Resource: "x".repeat(length) }] });

  test("an account has one OIDC provider for each address", async () => {
    const account = await Account.open();
    const inputs = { url: "https://gitlab.com", clientIdLists: ["x"] };
    await account.create(PROVIDER, inputs);
    await expect(account.create(PROVIDER, inputs)).rejects.toThrow("EntityAlreadyExists");
    await account.create(PROVIDER, { ...inputs, url: "https://other.example" });
  });

  test("a managed policy has a size, and a role ten of them", async () => {
    const account = await Account.open();
    const policy = { name: "p", policy: policyOf(6144) };
    await expect(account.create("aws:iam/policy:Policy", policy)).rejects.toThrow("PolicySize");
    await account.create("aws:iam/policy:Policy", { name: "p", policy: policyOf(6000) });
    await account.create("aws:iam/role:Role", { name: "r", assumeRolePolicy: trust("ec2.amazonaws.com") });
    const attach = (index: number) =>
      account.create("aws:iam/rolePolicyAttachment:RolePolicyAttachment", { role: "r", policyArn: `arn:${index}` });
    for (let index = 0; index < 10; index += 1) await attach(index);
    await expect(attach(10)).rejects.toThrow("PoliciesPerRole");
  });

  test("a key is deleted after 7 to 30 days, and an alias is not one of Amazon's", async () => {
    const account = await Account.open();
    await expect(account.create("aws:kms/key:Key", { deletionWindowInDays: 5 })).rejects.toThrow("within 7 and 30");
    const targetKeyId = await account.create("aws:kms/key:Key", { deletionWindowInDays: 30 });
    const ALIAS = "aws:kms/alias:Alias";
    await expect(account.create(ALIAS, { name: "alias/aws/s3", targetKeyId })).rejects.toThrow("Invalid alias");
    await account.create(ALIAS, { name: "alias/own", targetKeyId });
  });
});
