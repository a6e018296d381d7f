import { expect, test } from "vitest";
import { inputsOf, runStack } from "../support/aws-program.ts";
import { ALB, awsPlanWith, OIDC } from "../support/aws-settings.ts";
import { known } from "../support/outputs.ts";
import { theOnly } from "../support/program.ts";

const LISTENER = "aws:lb/listener:Listener";
const INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";

const stackWith = async (raw: Record<string, string>) => runStack(awsPlanWith(raw));

test("by default there is none", async () => {
  const { resources } = await stackWith({});
  expect(resources.filter(({ type }) => type.startsWith("aws:lb/"))).toEqual([]);
});

test("it speaks TLS with config's certificate; plain HTTP is only sent there", async () => {
  const { resources, result } = await stackWith(ALB);
  expect(inputsOf(resources, LISTENER)).toEqual({
    "image-gen-tls": {
      loadBalancerArn: "arn:alb",
      port: 443,
      protocol: "HTTPS",
      sslPolicy: "ELBSecurityPolicy-TLS13-1-2-2021-06",
      certificateArn: ALB.certificateArn,
      defaultActions: [{ type: "forward", targetGroupArn: "arn:target" }],
    },
    "image-gen-redirect": {
      loadBalancerArn: "arn:alb",
      port: 80,
      protocol: "HTTP",
      defaultActions: [{ type: "redirect", redirect: { port: "443", protocol: "HTTPS", statusCode: "HTTP_301" } }],
    },
  });
  if (!result.loadBalancer) throw new Error("no load balancer");
  expect(await known(result.loadBalancer.url)).toBe("https://alb.example");
});

test("it waits for a picture, and for a model that is ready", async () => {
  const { resources } = await stackWith(ALB);
  expect(theOnly(resources, "aws:lb/loadBalancer:LoadBalancer").inputs).toEqual({
    loadBalancerType: "application",
    internal: false,
    subnets: ["image-gen-alb-1-id", "image-gen-alb-2-id"],
    securityGroups: ["image-gen-alb-id"],
    idleTimeout: 620,
    dropInvalidHeaderFields: true,
    enableDeletionProtection: false,
    accessLogs: { enabled: true, bucket: "image-gen-alb-logs-id" },
  });
  expect(theOnly(resources, "aws:lb/targetGroup:TargetGroup").inputs).toMatchObject({
    port: 8000,
    protocol: "HTTP",
    targetType: "instance",
    healthCheck: { path: "/readyz", matcher: "200" },
  });
});

test("only config's ranges come in", async () => {
  const { resources } = await stackWith({ ...ALB, allowedCidrs: "203.0.113.0/24,198.51.100.0/24" });
  const rules = inputsOf(resources, INGRESS);
  const { "image-gen-host-in": host, ...albRules } = rules;
  expect(host?.cidrIpv4).toBeUndefined();
  const door = (cidrIpv4: string, port: number) => ({
    securityGroupId: "image-gen-alb-id",
    description: "clients, by allowedCidrs",
    cidrIpv4,
    ipProtocol: "tcp",
    fromPort: port,
    toPort: port,
  });
  expect(albRules).toEqual({
    "image-gen-alb-443-203.0.113.0-24": door("203.0.113.0/24", 443),
    "image-gen-alb-80-203.0.113.0-24": door("203.0.113.0/24", 80),
    "image-gen-alb-443-198.51.100.0-24": door("198.51.100.0/24", 443),
    "image-gen-alb-80-198.51.100.0-24": door("198.51.100.0/24", 80),
  });
});

test("sign-in comes before the service; its secret is one in the state as well", async () => {
  const { resources } = await stackWith(OIDC);
  const { defaultActions } = inputsOf(resources, LISTENER)["image-gen-tls"] as { defaultActions: unknown };
  const expected = [
    {
      type: "authenticate-oidc",
      order: 1,
      authenticateOidc: {
        issuer: "https://id.example",
        authorizationEndpoint: "https://id.example/authorize",
        tokenEndpoint: "https://id.example/token",
        userInfoEndpoint: "https://id.example/user",
        clientId: "image-gen",
        clientSecret: "sesame",
      },
    },
    { type: "forward", targetGroupArn: "arn:target", order: 2 },
  ];
  expect(defaultActions).toEqual({ secret: expected });
  const out = inputsOf(resources, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")["image-gen-alb-sign-in"];
  expect(out).toMatchObject({ securityGroupId: "image-gen-alb-id", fromPort: 443, toPort: 443 });
});

test("its access logs are in a closed bucket, for as long as config says", async () => {
  const { resources } = await stackWith({ ...ALB, logRetentionDays: "7" });
  const of = (type: string) => theOnly(resources, `aws:s3/${type}`).inputs;
  expect(of("bucket:Bucket")).toEqual({ forceDestroy: true });
  expect(of("bucketPublicAccessBlock:BucketPublicAccessBlock")).toEqual({
    bucket: "image-gen-alb-logs-id",
    blockPublicAcls: true,
    blockPublicPolicy: true,
    ignorePublicAcls: true,
    restrictPublicBuckets: true,
  });
  expect(of("bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration").rules).toEqual([
    { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } },
  ]);
  expect(of("bucketLifecycleConfiguration:BucketLifecycleConfiguration").rules).toMatchObject([
    { status: "Enabled", expiration: { days: 7 } },
  ]);
  const { Statement } = JSON.parse(of("bucketPolicy:BucketPolicy").policy as string) as { Statement: object[] };
  expect(Statement).toMatchObject([
    {
      Effect: "Allow",
      Principal: { Service: "logdelivery.elasticloadbalancing.amazonaws.com" },
      Action: "s3:PutObject",
      Resource: "arn:aws:s3:::logs/AWSLogs/123456789012/*",
    },
    { Effect: "Deny", Principal: "*", Condition: { Bool: { "aws:SecureTransport": "false" } } },
  ]);
});

test("deletion protection is AWS's own, when config asks for it", async () => {
  const { resources } = await stackWith({ ...ALB, deletionProtection: "true" });
  expect(theOnly(resources, "aws:lb/loadBalancer:LoadBalancer").inputs.enableDeletionProtection).toBe(true);
});
