/** Deployments under the roles of the stack for CI: AWS's fake evaluates their policies, as they were deployed, at each call of the provider. */
import { beforeAll, expect, test } from "vitest";
import { text } from "../../aws-fake/kind.ts";
import { ALB } from "../support/aws-settings.ts";
import { type EngineStack, failed, succeeded } from "../support/engine-stack.ts";
import { AwsSetting, awsTests } from "./setting.ts";

const setting = new AwsSetting();
const BOUNDARY = "arn:aws:iam::123456789012:policy/imagegen-ci-boundary";
/** All parts of a stack: balancer, alarms, snapshots, a budget, a flow log. */
const WHOLE = {
  target: "aws",
  modelCache: "volume",
  permissionsBoundaryArn: BOUNDARY,
  snapshots: "daily",
  monthlyBudgetUsd: "500",
  alarmTopicArn: "arn:aws:sns:us-east-1:123456789012:alarms",
  imagesOnDestroy: "delete",
  onDestroy: "delete",
  ...ALB,
};

await awsTests("the roles of CI", setting, () => {
  let stack: EngineStack;

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
    stack = await setting.stack("whole", WHOLE);
  });

  test("preview may preview a new stack, and make nothing", async () => {
    become("preview");
    stack.change({ previewWithoutSecrets: "true" });
    succeeded(await stack.preview());
    stack.change({ previewWithoutSecrets: undefined });
    const refused = failed(await stack.up());
    expect(refused).toMatch(
      /assumed-role\/imagegen-ci-preview\/test is not authorized to perform: \w+:\w+ on resource/,
    );
    expect(setting.fake.cloud.all("aws:ec2/vpc:Vpc")).toEqual([]);
  });

  test.each([
    ["ec2:CreateVpc", /not authorized to perform: ec2:CreateVpc on resource: arn:aws:ec2:us-east-1:123456789012:vpc\//],
    [
      "ec2:RunInstances",
      /not authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:us-east-1:123456789012:instance\//,
    ],
  ])("deploy without %s is refused", async (action, expected) => {
    become("deploy");
    const restore = without(action);
    expect(failed(await stack.up())).toMatch(expected);
    restore();
  });

  test("deploy makes no role without the boundary", async () => {
    become("deploy");
    const open = await setting.stack("open", { target: "aws" });
    expect(failed(await open.up())).toMatch(/not authorized to perform: iam:CreateRole/);
    become(null);
    succeeded(await open.destroy("--exclude-protected"));
  });

  test("deploy makes all parts of a stack, and a second update changes nothing", async () => {
    become("deploy");
    succeeded(await stack.up());
    succeeded(await stack.up({ expectNoChanges: true }));
    const types = new Set(setting.fake.cloud.inventory().map(({ kind }) => kind));
    for (const type of [
      "aws:lb/listener:Listener",
      "aws:dlm/lifecyclePolicy:LifecyclePolicy",
      "aws:budgets/budget:Budget",
    ])
      expect(types).toContain(type);
  });

  test("drift reads all of it, and may change nothing", async () => {
    become("drift");
    succeeded(await stack.refresh("--preview-only", "--expect-no-changes"));
    succeeded(await stack.preview({ expectNoChanges: true }));
    stack.change({ volumeSizeGb: "120" });
    expect(failed(await stack.up())).toMatch(/imagegen-ci-drift\/test is not authorized to perform/);
    stack.change({ volumeSizeGb: undefined });
  });

  test("deploy changes it, and destroys it", async () => {
    become("deploy");
    stack.change({ volumeSizeGb: "120", logRetentionDays: "90", instanceTypes: "g5.xlarge" });
    succeeded(await stack.up());
    succeeded(await stack.destroy());
    become(null);
    const left = setting.fake.cloud.all("aws:iam/role:Role").map(({ id }) => id);
    expect(left.filter((id) => id.startsWith("image-gen"))).toEqual([]);
    expect(setting.fake.cloud.broken).toEqual([]);
  });
});
