/** What the commands say of a stack for CI, which has no service. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT } from "../../../../cli/core/exit.ts";
import { pathsOf } from "../../../../cli/core/paths.ts";
import { progressTo } from "../../../../cli/core/progress.ts";
import { pluginEnvironment } from "../../../../cli/stack/automation-stack.ts";
import { StackFiles } from "../../../../cli/stack/files.ts";
import { requireDeployStack } from "../../../../cli/targets/ci/deploy-stack.ts";
import { planCi } from "../../../../cli/targets/ci/plan.ts";
import { requireService, selectTarget } from "../../../../cli/targets/select.ts";
import { ciPlanWith } from "../../../support/ci-settings.ts";

const root = mkdtempSync(join(tmpdir(), "imagegen-ci-"));
const P = "Picture-Perfect-Challenge";
const config = { "aws:region": "us-east-1", [`${P}:target`]: "ci" };
beforeAll(() => {
  mkdirSync(join(root, "stacks"));
  const write = (name: string, keys: object) =>
    writeFileSync(join(root, `stacks/Pulumi.${name}.yaml`), JSON.stringify({ config: keys }));
  write("ci", config);
  for (const target of ["aws", "fleet", "local"]) write(target, { [`${P}:target`]: target });
});
afterAll(() => rmSync(root, { recursive: true }));

const context = () => ({
  paths: pathsOf(root),
  files: new StackFiles(pathsOf(root), "ci"),
  progress: progressTo({ isTTY: false, write: () => true } as unknown as NodeJS.WriteStream),
  json: false,
  signal: new AbortController().signal,
});

test("a command for a service ends with one line that names the command for a stack of CI", async () => {
  const message = "The stack ci is no service: it has the bucket, the key and the roles of deployments from CI. Fix:";
  const refused = (command: string) => ({ message: `${message} ${command} --stack ci`, exitCode: EXIT.usage });
  await expect(selectTarget(context())).rejects.toMatchObject(refused("imagegen ci doctor"));
  await expect(selectTarget(context(), "down")).rejects.toMatchObject(refused("pulumi destroy --exclude-protected"));
  expect(() => requireService(context(), "up")).toThrow(expect.objectContaining(refused("imagegen ci setup")));
});

test("plan says what would be made, with the number of permissions of each role", () => {
  const { plan, rows } = planCi(context(), { [`${P}:repository`]: "org/repo" });
  expect(plan).toMatchObject({ target: "ci", stack: "ci", keyAlias: "alias/imagegen-ci-state" });
  const shown = Object.fromEntries(rows);
  expect(shown).toMatchObject({
    state: "bucket imagegen-ci-<account>-us-east-1, earlier versions for 90 days",
    key: "alias/imagegen-ci-state, for the secrets in a state",
    provider: "token.actions.githubusercontent.com, made for the account",
    preview: "imagegen-ci-preview, for repo:org/repo:environment:preview: 6 actions",
    deploys: "aws-volume, from main of org/repo on github",
    cost: "1.00 USD a month for the key, list price noted on 2026-11-27",
  });
  expect(shown.deploy).toMatch(/^imagegen-ci-deploy, for repo:org\/repo:environment:production: 2\d\d actions$/);
});

test("one host or a fleet is deployed, and nothing else; a canary is one host", () => {
  const plan = { deployStack: "aws", canaryStack: null, stack: "ci" } as const;
  const required = (chosen: { deployStack?: string; canaryStack?: string }) =>
    requireDeployStack(context(), { ...ciPlanWith(), ...plan, ...chosen });
  required({});
  required({ deployStack: "fleet" });
  expect(() => required({ deployStack: "local" })).toThrow(
    "deployStack: expected a stack with target aws or fleet, got local, which has target local.",
  );
  expect(() => required({ canaryStack: "fleet" })).toThrow(
    "canaryStack: expected a stack with target aws, got fleet, which has target fleet.",
  );
});

test("plan without a repository says how to name it", () => {
  expect(() => planCi(context(), {})).toThrow(
    /^Picture-Perfect-Challenge:repository: expected the repository .+ Fix: pulumi config set repository .+ --stack ci$/,
  );
});

test("Pulumi may download the plugin of AWS for it", () => {
  expect(pluginEnvironment(config, {})).toEqual({});
  expect(pluginEnvironment({}, {})).toEqual({ PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" });
});
