import { describe, expect, test } from "vitest";
import { KEEP_ALIVE_SECONDS, LONGEST_IDLE_TIMEOUT_SECONDS } from "../../../../infra/contract.ts";
import { ALB, awsPlanWith, OIDC } from "../../../support/aws-settings.ts";

const HF = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hf-AbCdEf";
const CLOSED = { network: "endpoints-only", modelCache: "baked" } as const;

describe("network", () => {
  test("the default is a small VPC with internet access, and no inbound access", () => {
    expect(awsPlanWith().network).toEqual({
      kind: "own",
      egress: "public",
      vpcCidr: "10.96.0.0/16",
      hostCidr: "10.96.1.0/25",
      generation: 1,
      natCidr: null,
      albCidrs: [],
      interfaceEndpoints: [],
      s3Resources: [],
      flowLogGroup: "/imagegen/prod/network",
      logRetentionDays: 30,
      permissionsBoundaryArn: null,
    });
  });

  test("another generation of the volume has another subnet: the zone may be another", () => {
    expect(awsPlanWith({ volumeGeneration: "2" }).network).toMatchObject({ hostCidr: "10.96.2.0/25", generation: 2 });
  });

  test("an existing subnet is taken as it is", () => {
    expect(awsPlanWith({ subnetId: "subnet-0a1b2c3d", network: "nat" }).network).toEqual({
      kind: "existing",
      subnetId: "subnet-0a1b2c3d",
      albSubnetIds: [],
      egress: "nat",
    });
  });

  test.each([
    [{}, []],
    [{ hfTokenSecretArn: HF }, ["secretsmanager"]],
    [{ selfHealing: "true" }, ["ec2"]],
    [{ modelMirror: "s3://bucket/models" }, ["sts"]],
  ])("a closed one with %j has every endpoint that the host needs", (raw, more) => {
    const { network } = awsPlanWith({ ...CLOSED, ...(raw as Record<string, string>) });
    const always = ["ecr.api", "ecr.dkr", "ssm", "ssmmessages", "logs", "monitoring"];
    expect(network).toMatchObject({ egress: "endpoints-only", interfaceEndpoints: [...always, ...more] });
  });

  test("a closed one reads ECR's bucket, and the mirror's prefix, and nothing else of S3", () => {
    const { network } = awsPlanWith({ ...CLOSED, modelMirror: "s3://bucket/models" }, "eu-west-1");
    expect(network).toHaveProperty("s3Resources", [
      "arn:aws:s3:::prod-eu-west-1-starport-layer-bucket/*",
      "arn:aws:s3:::bucket",
      "arn:aws:s3:::bucket/models/*",
    ]);
  });
});

describe("access", () => {
  test("nothing listens by default", () => expect(awsPlanWith().loadBalancer).toBeNull());

  test("a load balancer waits as long as a picture takes, and asks who it is when it must", () => {
    expect(awsPlanWith(ALB).loadBalancer).toEqual({
      certificateArn: ALB.certificateArn,
      allowedCidrs: ["203.0.113.0/24"],
      servicePort: 8000,
      readyPath: "/readyz",
      targetType: "instance",
      deregistrationSeconds: 60,
      idleTimeoutSeconds: 620,
      deletionProtection: false,
      logRetentionDays: 30,
      account: "123456789012",
      internal: false,
      oidc: null,
    });
    expect(awsPlanWith(OIDC).loadBalancer?.oidc).toEqual({
      issuer: "https://id.example",
      authorizationEndpoint: "https://id.example/authorize",
      tokenEndpoint: "https://id.example/token",
      userInfoEndpoint: "https://id.example/user",
      clientId: "image-gen",
      clientSecretArn: OIDC.oidcClientSecretArn,
    });
    expect(awsPlanWith({ ...ALB, ...CLOSED }).loadBalancer?.internal).toBe(true);
  });

  test.each([
    ["1", 60],
    ["900", 920],
    ["3980", 4000],
  ])(
    "requests of %s s: the balancer waits longer than the service, and gives up before its connection does",
    (seconds, idle) => {
      const plan = awsPlanWith({ ...ALB, requestTimeoutSeconds: seconds }).loadBalancer;
      expect(plan?.idleTimeoutSeconds).toBe(idle);
      expect(idle).toBeLessThan(KEEP_ALIVE_SECONDS);
    },
  );

  test("the service keeps a connection longer than any balancer that AWS makes", () =>
    expect(KEEP_ALIVE_SECONDS).toBeGreaterThan(LONGEST_IDLE_TIMEOUT_SECONDS));
});
