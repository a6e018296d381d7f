/** Deployments under the roles of the stack for CI: AWS's fake evaluates their policies, as they were deployed, at each call of the provider. */
import { beforeAll, describe, expect, test } from "vitest";
import { text } from "../../aws-fake/kind.ts";
import { STOPPED_PROCESSES } from "../../cli/targets/fleet/fleet-stack.ts";
import { ALB } from "../support/aws-settings.ts";
import { type Config, type EngineStack, failed, succeeded } from "../support/engine-stack.ts";
import { GATEWAY } from "../support/fleet-settings.ts";
import { AwsSetting, awsTests } from "./setting.ts";

const setting = new AwsSetting();
const BOUNDARY = "arn:aws:iam::123456789012:policy/imagegen-ci-boundary";
const COMMON = {
  permissionsBoundaryArn: BOUNDARY,
  modelCache: "volume",
  monthlyBudgetUsd: "500",
  alarmTopicArn: "arn:aws:sns:us-east-1:123456789012:alarms",
  imagesOnDestroy: "delete",
};

interface Deployed {
  readonly name: string;
  readonly config: Config;
  /** A change that drift is refused, and one that a deployment then makes. */
  readonly small: Config;
  readonly large: Config;
  /** Actions without which a deployment is refused, and the resources that it is refused them on. */
  readonly refused: readonly (readonly [string, RegExp])[];
  /** Types that are there when all is deployed. */
  readonly types: readonly string[];
  /** What a host wrote, and so no deployment deletes. */
  readonly left: readonly string[];
}

const RESOURCE = "arn:aws:\\w+:us-east-1:123456789012:";
const refusedOn = (action: string, resource: string) =>
  [action, new RegExp(`not authorized to perform: ${action} on resource: ${RESOURCE}${resource}`)] as const;

const STACKS: readonly Deployed[] = [
  {
    // All parts of one host: balancer, alarms, snapshots, a budget, a flow log.
    name: "whole",
    config: { target: "aws", snapshots: "daily", onDestroy: "delete", ...COMMON, ...ALB },
    small: { volumeSizeGb: "120" },
    large: { volumeSizeGb: "120", logRetentionDays: "90", instanceTypes: "g5.xlarge" },
    refused: [refusedOn("ec2:CreateVpc", "vpc/"), refusedOn("ec2:RunInstances", "instance/")],
    types: ["aws:lb/listener:Listener", "aws:dlm/lifecyclePolicy:LifecyclePolicy", "aws:budgets/budget:Budget"],
    left: ["aws:ssm/parameter:Parameter /imagegen/whole/ready"],
  },
  {
    // All parts of a fleet: groups and what scales them, queues, results, the gateway on ECS.
    name: "fleet",
    config: { target: "fleet", resultsOnDestroy: "delete", dashboard: "true", ...COMMON, ...GATEWAY },
    small: { maxHosts: "9" },
    large: { maxHosts: "9", resultDays: "3", gatewayCount: "3", rootSizeGb: "90", patienceSeconds: "900" },
    refused: [
      refusedOn("sqs:CreateQueue", "image-gen-dead-letters-"),
      refusedOn("autoscaling:SuspendProcesses", "autoScalingGroup:"),
      refusedOn("ecs:RegisterTaskDefinition", "task-definition/imagegen-fleet-gateway:"),
    ],
    types: [
      "aws:ecs/service:Service",
      "aws:autoscaling/policy:Policy",
      "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
      "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    ],
    left: [],
  },
];

await awsTests("the roles of CI", setting, () => {
  /** The provider calls AWS as this role from now on; null: as an administrator. */
  const become = (role: "preview" | "drift" | "deploy" | null) => {
    const caller = role === null ? null : `imagegen-ci-${role}`;
    setting.fake.cloud.knobs = { ...setting.fake.cloud.knobs, caller };
  };
  /** Takes an action out of the role's policies, as somebody's hand would; the function that this returns puts it back. */
  function without(action: string): () => void {
    const changed = setting.fake.cloud
      .all("aws:iam/policy:Policy")
      .filter(
        ({ id, props }) => id.includes("policy/imagegen-ci-deploy") && text(props.policy).includes(`"${action}"`),
      );
    expect(changed.length).toBeGreaterThan(0);
    const before = changed.map((policy) => ({ policy, props: policy.props }));
    for (const { policy, props } of before)
      policy.props = { ...props, policy: text(props.policy).replaceAll(`"${action}"`, '"none:None"') };
    return () => {
      for (const { policy, props } of before) policy.props = props;
    };
  }

  beforeAll(async () => {
    succeeded(await (await setting.stack("ci", { target: "ci", repository: "org/repo" })).up());
  });

  test("deploy makes no role without the boundary", async () => {
    become("deploy");
    const open = await setting.stack("open", { target: "aws" });
    expect(failed(await open.up())).toMatch(/not authorized to perform: iam:CreateRole/);
    become(null);
    succeeded(await open.destroy("--exclude-protected"));
  });

  describe.each(STACKS)("of the stack $name", ({ name, config, small, large, refused, types, left }) => {
    let stack: EngineStack;
    const inventory = () =>
      setting.fake.cloud
        .inventory()
        .filter(({ props }) => props.instanceState !== "terminated")
        .map(({ kind, id }) => `${kind} ${id}`);
    let before: readonly string[];
    const made = () => inventory().filter((one) => !before.includes(one));
    const back = (changed: Config) =>
      stack.change(Object.fromEntries(Object.keys(changed).map((key) => [key, config[key]])));

    beforeAll(async () => {
      before = inventory();
      stack = await setting.stack(name, config);
    });

    test("preview may preview a new stack, and make nothing", async () => {
      become("preview");
      stack.change({ previewWithoutSecrets: "true" });
      succeeded(await stack.preview());
      stack.change({ previewWithoutSecrets: undefined });
      expect(failed(await stack.up())).toMatch(
        /assumed-role\/imagegen-ci-preview\/test is not authorized to perform: \w+:\w+ on resource/,
      );
      expect(made()).toEqual([]);
    });

    test.each(refused)("deploy without %s is refused", async (action, expected) => {
      become("deploy");
      const restore = without(action);
      expect(failed(await stack.up())).toMatch(expected);
      restore();
    });

    test("deploy makes all parts of a stack, and a second update changes nothing", async () => {
      become("deploy");
      succeeded(await stack.up());
      succeeded(await stack.up({ expectNoChanges: true }));
      const kinds = new Set(made().map((one) => one.split(" ")[0]));
      for (const type of types) expect(kinds).toContain(type);
    });

    test("drift reads all of it, and may change nothing", async () => {
      // Hosts that a fleet's policies started are none.
      for (const { id } of setting.fake.cloud.all("aws:autoscaling/group:Group")) setting.fake.want(id, 1);
      become("drift");
      succeeded(await stack.refresh("--preview-only", "--expect-no-changes"));
      succeeded(await stack.preview({ expectNoChanges: true }));
      stack.change(small);
      expect(failed(await stack.up())).toMatch(/imagegen-ci-drift\/test is not authorized to perform/);
      back(small);
    });

    if (config.target === "fleet") {
      test("drift of a fleet that was stopped has the suspended processes", async () => {
        const groups = setting.fake.cloud.all("aws:autoscaling/group:Group");
        const suspend = (processes: readonly string[]) => {
          for (const group of groups) group.props = { ...group.props, suspendedProcesses: [...processes] };
        };
        become("drift");
        suspend(["AZRebalance", ...STOPPED_PROCESSES]);
        expect(failed(await stack.refresh("--preview-only", "--expect-no-changes", "--diff"))).toContain(
          "suspendedProcesses",
        );
        succeeded(await stack.preview({ expectNoChanges: true }));
        suspend(["AZRebalance"]);
      });
    }

    test("deploy changes it, and destroys it", async () => {
      become("deploy");
      stack.change(large);
      succeeded(await stack.up());
      succeeded(await stack.destroy());
      become(null);
      expect(made()).toEqual(left);
      expect(setting.fake.cloud.broken).toEqual([]);
    });
  });
});
