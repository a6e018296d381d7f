import type { AwsSettings } from "../../../../infra/config/aws/settings.ts";
import { stackTags } from "../../../../infra/contract.ts";
import { DENIED } from "../../../../infra/plan/aws/credential-errors.ts";
import { type AwsClientConfig, sdkOptions } from "../client/client-config.ts";
import { errorText } from "../client/errors.ts";

/** What a dry run, or a read that changes nothing, tells of one permission. */
export interface Permission {
  readonly action: string;
  /** Null: neither; AWS had another objection first. */
  readonly allowed: boolean | null;
}

/**
 * The permissions of a first deployment that EC2 tells by dry runs, and Systems Manager and CloudWatch Logs by a read. IAM,
 * ECR and CloudWatch know no dry run.
 */
export async function inspectPermissions(
  config: AwsClientConfig,
  settings: AwsSettings,
  { stack, zone, type, ami }: { stack: string; zone: string; type: string; ami: string },
): Promise<readonly Permission[]> {
  const [sdk, logs] = await Promise.all([import("@aws-sdk/client-ec2"), import("@aws-sdk/client-cloudwatch-logs")]);
  const ec2 = new sdk.EC2Client(sdkOptions(config));
  const DryRun = true;
  const tags = Object.entries(stackTags(stack)).map(([Key, Value]) => ({ Key, Value }));
  const tagged = (ResourceType: "volume" | "instance") => ({ TagSpecifications: [{ ResourceType, Tags: tags }] });
  const own = settings.subnetId === null;
  const attempts: readonly (readonly [string, () => Promise<unknown>])[] = [
    [
      "ec2:CreateVolume",
      () =>
        ec2.send(
          new sdk.CreateVolumeCommand({
            DryRun,
            AvailabilityZone: zone,
            Size: 1,
            VolumeType: "gp3",
            Encrypted: true,
            ...tagged("volume"),
          }),
        ),
    ],
    [
      "ec2:RunInstances",
      () =>
        ec2.send(
          new sdk.RunInstancesCommand({
            DryRun,
            ImageId: ami,
            InstanceType: type as "g6.xlarge",
            MinCount: 1,
            MaxCount: 1,
            ...tagged("instance"),
          }),
        ),
    ],
    ...(own
      ? ([
          ["ec2:CreateVpc", () => ec2.send(new sdk.CreateVpcCommand({ DryRun, CidrBlock: "10.96.0.0/16" }))],
          ["ec2:CreateInternetGateway", () => ec2.send(new sdk.CreateInternetGatewayCommand({ DryRun }))],
        ] as const)
      : []),
    ...(own && settings.network === "nat"
      ? ([["ec2:AllocateAddress", () => ec2.send(new sdk.AllocateAddressCommand({ DryRun, Domain: "vpc" }))]] as const)
      : []),
    ...(settings.selfHealing
      ? ([
          [
            "ec2:CreateLaunchTemplate",
            () =>
              ec2.send(
                new sdk.CreateLaunchTemplateCommand({
                  DryRun,
                  LaunchTemplateName: `image-gen-${stack}`,
                  LaunchTemplateData: { ImageId: ami, InstanceType: type as "g6.xlarge" },
                }),
              ),
          ],
        ] as const)
      : []),
    [
      "ec2:CreateSecurityGroup",
      () =>
        ec2.send(
          new sdk.CreateSecurityGroupCommand({ DryRun, GroupName: `image-gen-${stack}`, Description: "a dry run" }),
        ),
    ],
    [
      "logs:DescribeLogGroups",
      () => new logs.CloudWatchLogsClient(sdkOptions(config)).send(new logs.DescribeLogGroupsCommand({ limit: 1 })),
    ],
  ];
  return Promise.all(attempts.map(async ([action, run]) => ({ action, allowed: await isAllowed(run) })));
}

async function isAllowed(run: () => Promise<unknown>): Promise<boolean | null> {
  try {
    await run();
    return true;
  } catch (error) {
    const text = errorText(error);
    if (/DryRunOperation/.test(text)) return true;
    return DENIED.test(text) ? false : null;
  }
}
