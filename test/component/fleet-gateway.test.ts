/** The gateway of a fleet on AWS: its tasks, their roles, what reaches them, and what a fleet without one has of it. */
import { describe, expect, test } from "vitest";
import { explainDeploymentError } from "../../infra/aws/fleet/gateway-task.ts";
import { inputsOf } from "../support/aws-program.ts";
import { fleetPlanWith, GATEWAY, runFleet } from "../support/fleet-settings.ts";
import { known } from "../support/outputs.ts";
import { theOnly } from "../support/program.ts";

const TASK = "aws:ecs/taskDefinition:TaskDefinition";
const SERVICE = "aws:ecs/service:Service";
const INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule";
const ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm";
const SUBNET = "aws:ec2/subnet:Subnet";
const BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms";
const KEY = "arn:aws:kms:us-east-1:123456789012:key/1";
const SECRET = GATEWAY.apiKeySecretArn;
const WEBHOOKS = SECRET.replace("key-", "webhooks-");

/** Many tests look at one stack: it is run once. */
const runs = new Map<string, ReturnType<typeof runFleet>>();
async function gatewayWith(raw: Record<string, string> = {}) {
  const key = JSON.stringify(raw);
  const run = runs.get(key) ?? runFleet(fleetPlanWith({ ...GATEWAY, ...raw }));
  runs.set(key, run);
  return run;
}

interface Container {
  readonly name: string;
  readonly environment?: readonly { readonly name: string; readonly value: string }[];
}
async function containersOf(raw: Record<string, string> = {}): Promise<readonly Container[]> {
  const { resources } = await gatewayWith(raw);
  return JSON.parse(String(theOnly(resources, TASK).inputs.containerDefinitions)) as Container[];
}

test("by default there is none, and nothing of one", async () => {
  const { resources, result } = await runFleet(fleetPlanWith());
  expect(resources.filter(({ type }) => /aws:(ecs|lb)\//.test(type))).toEqual([]);
  expect(Object.keys(inputsOf(resources, ALARM)).filter((name) => name.includes("gateway"))).toEqual([]);
  expect([result.gateway, result.network.gateway]).toEqual([null, null]);
});

describe("a task", () => {
  test("is half a processor and 1 GB of Fargate, with the disk that is free", async () => {
    const { resources } = await gatewayWith();
    const { containerDefinitions: _, ...rest } = theOnly(resources, TASK).inputs;
    expect(rest).toEqual({
      family: "imagegen-prod-gateway",
      requiresCompatibilities: ["FARGATE"],
      networkMode: "awsvpc",
      cpu: "512",
      memory: "1024",
      runtimePlatform: { operatingSystemFamily: "LINUX", cpuArchitecture: "X86_64" },
      taskRoleArn: "arn:aws:iam::1:role/image-gen-gateway",
      executionRoleArn: "arn:aws:iam::1:role/image-gen-gateway-start",
      volumes: [{ name: "tmp" }],
    });
  });

  test("runs the fleet's image by its digest, read-only but for /tmp, which another container opens before", async () => {
    const [opener, gateway] = await containersOf();
    const both = {
      image: `1.dkr.ecr.us-east-1.amazonaws.com/r@sha256:${"1".repeat(64)}`,
      readonlyRootFilesystem: true,
      linuxParameters: { capabilities: { drop: ["ALL"] } },
      mountPoints: [{ sourceVolume: "tmp", containerPath: "/tmp", readOnly: false }],
      logConfiguration: {
        logDriver: "awslogs",
        options: {
          "awslogs-group": "/imagegen/prod",
          "awslogs-region": "us-east-1",
          "awslogs-stream-prefix": "gateway",
          mode: "non-blocking",
        },
      },
    };
    expect(opener).toEqual({
      ...both,
      name: "tmp",
      essential: false,
      command: ["chmod", "1777", "/tmp"],
      user: "0:0",
    });
    const { environment: _, ...rest } = gateway ?? { environment: [] };
    expect(rest).toEqual({
      ...both,
      name: "gateway",
      essential: true,
      command: ["image-gen", "gateway"],
      user: "10001:10001",
      secrets: [{ name: "IMAGE_GEN_API_KEY", valueFrom: SECRET }],
      portMappings: [{ containerPort: 8000, protocol: "tcp" }],
      dependsOn: [{ containerName: "tmp", condition: "SUCCESS" }],
      stopTimeout: 60,
    });
  });

  test("checks requests as the workers do, and knows queue, store and the group to wake", async () => {
    const raw = {
      modelId: "runwayml/stable-diffusion-v1-5",
      maxSize: "1024",
      maxImages: "4",
      requestTimeoutSeconds: "300",
      allowedHosts: "images.example.com",
      corsOrigins: "https://app.example.com",
      pictureUrlSeconds: "3600",
      hfTokenSecretArn: SECRET.replace("key-", "hf-"),
      environmentSecretArns: `HTTPS_PROXY=${SECRET.replace("key-", "proxy-")},IMAGE_GEN_WEBHOOK_SECRET=${WEBHOOKS}`,
    };
    const gateway = (await containersOf(raw)).at(-1) as Container & { secrets: unknown };
    const environment = Object.fromEntries((gateway.environment ?? []).map(({ name, value }) => [name, value]));
    expect(environment).toMatchObject({
      AWS_REGION: "us-east-1",
      MODEL_ID: "runwayml/stable-diffusion-v1-5",
      IMAGE_GEN_MAX_SIZE: "1024",
      IMAGE_GEN_MAX_IMAGES: "4",
      IMAGE_GEN_REQUEST_TIMEOUT: "300",
      IMAGE_GEN_ALLOWED_HOSTS: "images.example.com",
      IMAGE_GEN_CORS_ORIGINS: "https://app.example.com",
      IMAGE_GEN_PICTURE_URL_SECONDS: "3600",
      IMAGE_GEN_DRAIN_TIMEOUT: "50",
      IMAGE_GEN_QUEUE_URL: "https://sqs.us-east-1.amazonaws.com/1/image-gen-jobs",
      IMAGE_GEN_JOB_STORE: "s3://image-gen-results/fleet",
      IMAGE_GEN_AUTO_SCALING_GROUP: "image-gen-spot",
    });
    expect(gateway.secrets).toEqual([
      { name: "HTTPS_PROXY", valueFrom: SECRET.replace("key-", "proxy-") },
      { name: "IMAGE_GEN_API_KEY", valueFrom: SECRET },
      { name: "IMAGE_GEN_WEBHOOK_SECRET", valueFrom: WEBHOOKS },
    ]);
    // Another name or origin is no other worker.
    const { resources } = await gatewayWith(raw);
    const { secret } = theOnly(resources, "aws:ssm/parameter:Parameter").inputs.value as { secret: string };
    expect(secret).not.toMatch(/ALLOWED_HOSTS|CORS_ORIGINS|PICTURE_URL|API_KEY/);
    expect(JSON.parse(secret)).toMatchObject({
      environment: { IMAGE_GEN_REQUEST_TIMEOUT: "300" },
      secrets: { IMAGE_GEN_WEBHOOK_SECRET: WEBHOOKS },
    });
  });

  test("has room for an image with a model in it: as it is pulled, and unpacked", async () => {
    const { resources } = await gatewayWith({ modelCache: "baked" });
    const { sizeInGib } = theOnly(resources, TASK).inputs.ephemeralStorage as { sizeInGib: number };
    const { cost } = fleetPlanWith({ ...GATEWAY, modelCache: "baked" });
    expect(sizeInGib).toBeGreaterThan(20);
    expect(sizeInGib).toBeLessThan(40);
    const fargate = (items: typeof cost.items) => items.find(({ what }) => what.includes("Fargate"))?.usdPerMonth ?? 0;
    expect(fargate(cost.items)).toBeGreaterThan(fargate(fleetPlanWith(GATEWAY).cost.items));
  });
});

test("the service keeps what answers: new tasks first, and back where they never do", async () => {
  const { resources, result } = await gatewayWith({ gatewayCount: "3" });
  expect(theOnly(resources, SERVICE).inputs).toEqual({
    cluster: "arn:aws:ecs:us-east-1:1:cluster/image-gen-gateway",
    taskDefinition: "arn:aws:ecs:us-east-1:1:task-definition/gateway:1",
    desiredCount: 3,
    launchType: "FARGATE",
    deploymentMinimumHealthyPercent: 100,
    deploymentMaximumPercent: 200,
    deploymentCircuitBreaker: { enable: true, rollback: true },
    availabilityZoneRebalancing: "ENABLED",
    healthCheckGracePeriodSeconds: 60,
    networkConfiguration: {
      subnets: ["image-gen-subnet-a-id", "image-gen-subnet-b-id"],
      securityGroups: ["image-gen-gateway-id"],
      assignPublicIp: true,
    },
    loadBalancers: [{ targetGroupArn: "arn:target", containerName: "gateway", containerPort: 8000 }],
    propagateTags: "SERVICE",
    enableEcsManagedTags: true,
    waitForSteadyState: true,
  });
  if (!result.gateway) throw new Error("no gateway");
  expect(await known(result.gateway.url)).toBe("https://alb.example");
});

test("a deployment whose tasks never answer is one line, with where the reason is; what AWS refuses at once speaks for itself", () => {
  const place = { cluster: "arn:cluster", service: "gateway-1", region: "us-east-1", logGroup: "/imagegen/prod" };
  const timeout = "waiting for ECS Service (arn:service) create: timeout while waiting for state to become 'tfSTABLE'";
  expect(explainDeploymentError([timeout], place)).toBe(
    "The tasks of the gateway did not answer: a secret that ECS can't read, an image that can't be pulled, or a setting that the gateway refuses. " +
      'Fix: aws ecs describe-services --region us-east-1 --cluster arn:cluster --services gateway-1 --query "services[].events[:5].message", ' +
      "or aws logs tail /imagegen/prod --region us-east-1 --log-stream-name-prefix gateway/ --since 1h, which say which",
  );
  expect(explainDeploymentError(["InvalidParameterException: The target group does not exist."], place)).toBeNull();
});

describe("the load balancer", () => {
  test("is that of one host, but for targets that are tasks, and health that no queue decides", async () => {
    const { resources } = await gatewayWith({ requestTimeoutSeconds: "900", deletionProtection: "true" });
    expect(theOnly(resources, BALANCER).inputs).toMatchObject({
      internal: false,
      subnets: ["image-gen-subnet-a-id", "image-gen-subnet-b-id"],
      idleTimeout: 920,
      dropInvalidHeaderFields: true,
      enableDeletionProtection: true,
      accessLogs: { enabled: true },
    });
    expect(theOnly(resources, "aws:lb/targetGroup:TargetGroup").inputs).toMatchObject({
      targetType: "ip",
      port: 8000,
      deregistrationDelay: 60,
      healthCheck: { path: "/healthz", matcher: "200" },
    });
  });

  test("lets in config's ranges, and alone reaches the tasks", async () => {
    const { resources } = await gatewayWith();
    const [ingress, egress] = [inputsOf(resources, INGRESS), inputsOf(resources, EGRESS)];
    expect(Object.keys(ingress).sort()).toEqual([
      "image-gen-alb-443-203.0.113.0-24",
      "image-gen-alb-80-203.0.113.0-24",
      "image-gen-gateway-in",
    ]);
    const service = { ipProtocol: "tcp", fromPort: 8000, toPort: 8000 };
    expect(ingress["image-gen-gateway-in"]).toEqual({
      securityGroupId: "image-gen-gateway-id",
      description: "the load balancer",
      referencedSecurityGroupId: "image-gen-alb-id",
      ...service,
    });
    expect(egress["image-gen-alb-out"]).toEqual({
      securityGroupId: "image-gen-alb-id",
      description: "the service",
      referencedSecurityGroupId: "image-gen-gateway-id",
      ...service,
    });
    expect(egress["image-gen-gateway-out"]).toMatchObject({ cidrIpv4: "0.0.0.0/0", ipProtocol: "-1" });
  });
});

describe("the network", () => {
  const networkOf = async (raw: Record<string, string>) => {
    const { resources } = await gatewayWith(raw);
    const { networkConfiguration } = theOnly(resources, SERVICE).inputs as {
      networkConfiguration: { subnets: string[]; assignPublicIp: boolean };
    };
    return { resources, ...networkConfiguration, balancer: theOnly(resources, BALANCER).inputs };
  };

  test("with a NAT gateway has public subnets for the balancer alone, in the tasks' zones", async () => {
    const { resources, subnets, assignPublicIp, balancer } = await networkOf({ network: "nat" });
    expect([subnets, assignPublicIp]).toEqual([["image-gen-subnet-a-id", "image-gen-subnet-b-id"], false]);
    expect(balancer.subnets).toEqual(["image-gen-alb-a-id", "image-gen-alb-b-id"]);
    const own = inputsOf(resources, SUBNET);
    expect(own["image-gen-alb-a"]).toMatchObject({ cidrBlock: "10.96.101.0/26", availabilityZone: "us-east-1a" });
    expect(own["image-gen-alb-b"]).toMatchObject({ cidrBlock: "10.96.102.0/26", availabilityZone: "us-east-1b" });
    expect(inputsOf(resources, "aws:ec2/route:Route")["image-gen-alb-a"]).toMatchObject({
      destinationCidrBlock: "0.0.0.0/0",
      gatewayId: "image-gen-internet-id",
    });
  });

  test("without egress has endpoints for the group and the secrets too, and an internal balancer", async () => {
    const closed = { network: "endpoints-only", modelCache: "baked" };
    const { resources, assignPublicIp, balancer } = await networkOf(closed);
    expect([assignPublicIp, balancer.internal]).toEqual([false, true]);
    const endpoints = Object.keys(inputsOf(resources, "aws:ec2/vpcEndpoint:VpcEndpoint"));
    expect(endpoints).toContain("image-gen-autoscaling");
    expect(endpoints).toContain("image-gen-secretsmanager");
    expect(inputsOf(resources, EGRESS)["image-gen-gateway-out"]).toMatchObject({ fromPort: 443, toPort: 443 });
  });

  test("that is there has the balancer in its subnets, and the tasks where the program found them", async () => {
    const { subnets, assignPublicIp, balancer } = await networkOf({
      subnetIds: "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
      albSubnetIds: "subnet-0123456789abcdef2,subnet-0123456789abcdef3",
    });
    expect([subnets, assignPublicIp]).toEqual([["subnet-chosen"], false]);
    expect(balancer.subnets).toEqual(["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"]);
  });
});

describe("roles", () => {
  const statementsOf = async (role: string, raw: Record<string, string> = {}) => {
    const { resources } = await gatewayWith(raw);
    const { policy } = inputsOf(resources, "aws:iam/rolePolicy:RolePolicy")[role] ?? {};
    const { Statement } = JSON.parse(String(policy)) as { Statement: { Action: string[]; Resource: unknown }[] };
    return Statement.map(({ Action, Resource }) => [Action, Resource]);
  };

  test("the container sends jobs, reads results and wakes the group, and nothing else", async () => {
    expect(await statementsOf("image-gen-gateway")).toEqual([
      [["sqs:SendMessage", "sqs:GetQueueAttributes"], "arn:aws:sqs:us-east-1:1:image-gen-jobs"],
      [["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "arn:aws:s3:::image-gen-results/fleet/*"],
      [["s3:ListBucket"], "arn:aws:s3:::image-gen-results"],
      [
        ["autoscaling:SetDesiredCapacity"],
        "arn:aws:autoscaling:us-east-1:1:autoScalingGroup:x:autoScalingGroupName/image-gen-spot",
      ],
      [["autoscaling:DescribeAutoScalingGroups"], "*"],
    ]);
  });

  test("ECS pulls the image, writes the log and reads the API keys to start it", async () => {
    const group = "arn:aws:logs:us-east-1:1:log-group:image-gen-logs";
    expect(await statementsOf("image-gen-gateway-start", { decryptKmsKeyArns: KEY })).toEqual([
      [["ecr:GetAuthorizationToken"], "*"],
      [
        ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "arn:aws:ecr:us-east-1:1:repository/r",
      ],
      [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        [group, `${group}:*`],
      ],
      [["secretsmanager:GetSecretValue"], [SECRET]],
      [["kms:Decrypt"], [KEY]],
    ]);
  });

  test("only ECS of this account takes the container's, and both have the boundary of deployments from CI", async () => {
    const permissionsBoundaryArn = "arn:aws:iam::123456789012:policy/imagegen-ci-boundary";
    const { resources } = await gatewayWith({ permissionsBoundaryArn });
    const roles = inputsOf(resources, "aws:iam/role:Role");
    for (const name of ["image-gen-gateway", "image-gen-gateway-start"])
      expect(roles[name]?.permissionsBoundary).toBe(permissionsBoundaryArn);
    expect(JSON.parse(String(roles["image-gen-gateway"]?.assumeRolePolicy)).Statement).toEqual([
      {
        Effect: "Allow",
        Principal: { Service: "ecs-tasks.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition: { StringEquals: { "aws:SourceAccount": "123456789012" } },
      },
    ]);
  });
});

test("alarms say when tasks do not answer, when there is none, and when requests fail for longer than a start takes", async () => {
  const { resources } = await gatewayWith({ alarmTopicArn: TOPIC });
  const alarms = inputsOf(resources, ALARM);
  const of = (name: string) => {
    const { metricQueries, ...rest } = alarms[`image-gen-${name}`] as { metricQueries: { metric?: object }[] };
    return { ...rest, metrics: metricQueries.flatMap(({ metric }) => metric ?? []) };
  };
  const targets = { LoadBalancer: "app/alb/1", TargetGroup: "targetgroup/target/1" };
  const notified = { alarmActions: [TOPIC], okActions: [TOPIC] };
  expect(of("gateway-unhealthy")).toMatchObject({
    ...notified,
    threshold: 1,
    evaluationPeriods: 5,
    treatMissingData: "notBreaching",
    metrics: [{ namespace: "AWS/ApplicationELB", metricName: "UnHealthyHostCount", dimensions: targets }],
  });
  expect(of("gateway-gone")).toMatchObject({
    ...notified,
    comparisonOperator: "LessThanThreshold",
    threshold: 1,
    evaluationPeriods: 10,
    treatMissingData: "breaching",
    metrics: [{ metricName: "HealthyHostCount", stat: "Maximum", dimensions: targets }],
  });
  expect(of("gateway-errors")).toMatchObject({
    ...notified,
    threshold: 1,
    evaluationPeriods: 15,
    metrics: [
      { metricName: "HTTPCode_Target_5XX_Count", dimensions: targets },
      { metricName: "HTTPCode_ELB_5XX_Count", dimensions: { LoadBalancer: "app/alb/1" } },
    ],
  });
});

test("the dashboard has a row for its requests", async () => {
  const titles = async (raw: Record<string, string>) => {
    const { resources } = await runFleet(fleetPlanWith({ dashboard: "true", ...raw }));
    const { dashboardBody } = theOnly(resources, "aws:cloudwatch/dashboard:Dashboard").inputs;
    const { widgets } = JSON.parse(String(dashboardBody)) as { widgets: { properties: { title: string } }[] };
    return widgets.map(({ properties }) => properties.title);
  };
  const added = ["Requests", "Seconds until an answer"];
  const [plain, more] = [await titles({}), await titles(GATEWAY)];
  expect(more.filter((title) => !plain.includes(title))).toEqual(added);
});
