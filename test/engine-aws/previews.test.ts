/** Previews by code that nobody has reviewed: the workflows' own scripts, on a copy of the state that has no secret. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SECRET_PLACEHOLDER } from "../../infra/contract.ts";
import { leaks } from "../../scripts/preview/leaks.ts";
import { OIDC } from "../support/aws-settings.ts";
import { type EngineStack, succeeded } from "../support/engine-stack.ts";
import { GATEWAY } from "../support/fleet-settings.ts";
import { PreviewBucket } from "../support/preview-bucket.ts";
import { AwsSetting, awsTests } from "./setting.ts";

const NAME = "oidc";
const TOKEN = "hf_token-of-this-test";
const SECRETS = new Map([TOKEN, "password-of-the-fake", "client-secret-of-the-fake"].map((value) => [value, value]));
const setting = new AwsSetting();

await awsTests("previews by unreviewed code", setting, () => {
  const bucket = new PreviewBucket();
  afterAll(() => bucket.remove());
  let stack: EngineStack;

  /** With the fake of AWS and the bucket; `backend`: and with the stack's own state and its key. */
  const environment = ({ backend, name = NAME }: { backend: boolean; name?: string }) => {
    const { PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE, ...project } = setting.project.environment;
    const own = backend ? { PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE } : {};
    const all = { ...project, ...setting.fake.environment, ...own, ...bucket.environment(project.PATH ?? "") };
    return { ...all, IMAGEGEN_STACK: name, PULUMI_DEBUG_COMMANDS: "true" };
  };
  const run = (command: string, args: readonly string[], { backend = false, name = NAME } = {}) => {
    const cwd = setting.project.directory;
    return execa(command, args, { cwd, env: environment({ backend, name }), reject: false, all: true });
  };
  async function preview(name = NAME) {
    const { exitCode, all } = await run("scripts/ci/preview.sh", [".imagegen/preview.md"], { name });
    expect(exitCode, all).toBe(0);
    return readFileSync(join(setting.project.directory, ".imagegen/preview.md"), "utf8");
  }

  beforeAll(async () => {
    stack = await setting.stack(NAME, { target: "aws", modelCache: "baked", ...OIDC });
    const token = ["config", "set", "--secret", "Picture-Perfect-Challenge:hfToken", TOKEN, "--stack", NAME];
    expect((await run("pulumi", token, { backend: true })).exitCode).toBe(0);
    succeeded(await stack.up());
  });

  test("there is nothing to preview before the first deployment has published a copy", async () => {
    const ended = await run("scripts/ci/preview.sh", [".imagegen/preview.md"]);
    expect(ended.exitCode).toBe(1);
    expect(ended.all).toContain(`${NAME}: expected a copy of its state at s3://previews, got none. Fix: `);
  });

  test("the state has three secrets; the copy that is published has none, and neither has a stack made from it", async () => {
    const state = await run("pulumi", ["stack", "export", "--show-secrets", "--stack", NAME], { backend: true });
    expect(leaks(state.stdout, SECRETS).sort()).toEqual([...SECRETS.keys()].sort());
    const published = await run("scripts/ci/redact.sh", [], { backend: true });
    expect(published.exitCode, published.all).toBe(0);
    const copy = bucket.read(NAME);
    expect(leaks(copy, SECRETS)).toEqual([]);
    expect(copy).not.toContain("ciphertext");
    expect(copy).not.toContain("secrets_providers");

    const folder = join(bucket.home, "stack");
    mkdirSync(join(folder, "backend"), { recursive: true });
    const own = {
      ...environment({ backend: false }),
      PULUMI_BACKEND_URL: `file://${folder}/backend`,
      PULUMI_CONFIG_PASSPHRASE: "p",
    };
    const [cwd, file] = [setting.project.directory, bucket.fileOf(NAME)];
    await execa("node", ["scripts/preview/open.ts", NAME, file, folder], { cwd, env: own });
    const shown = await execa("pulumi", ["stack", "export", "--show-secrets", "--stack", NAME], {
      cwd: folder,
      env: own,
    });
    expect(leaks(shown.stdout, SECRETS)).toEqual([]);
    expect(shown.stdout.split(SECRET_PLACEHOLDER).length).toBeGreaterThan(5);
    const config = await execa("pulumi", ["config", "--show-secrets", "--json", "--stack", NAME], {
      cwd: folder,
      env: own,
    });
    expect(JSON.parse(config.stdout)["Picture-Perfect-Challenge:hfToken"]).toEqual({
      value: SECRET_PLACEHOLDER,
      secret: true,
    });
  });

  test("a preview of the same program shows no change; one of a changed program shows its change", async () => {
    const same = await preview();
    expect(same).toMatch(/Resources:\n +\d+ unchanged\n/);
    expect(same).toContain("Policy Packs run:");
    expect(same).toMatch(/Resources: \d+ unchanged\.\n/);
    expect(same).toContain("#### Policies\n\nNo findings.\n");
    stack.change({ logRetentionDays: "60" });
    const changed = await preview();
    // The host's lines, the network's, and the load balancer's.
    expect(changed).toMatch(/~ 3 to update\n +\d+ unchanged/);
    expect(changed).toContain("~ aws:cloudwatch/logGroup:LogGroup: (update)");
    expect(changed).toMatch(/Resources: 3 to update, \d+ unchanged\.\n/);
    expect(changed).toContain("| update | `image-gen-logs` | `aws:cloudwatch/logGroup:LogGroup` | `retentionInDays` |");
    stack.change({ logRetentionDays: "30" });
  });

  test("a fleet with its gateway is previewed as one host is", async () => {
    const fleet = await setting.stack("fleet", { target: "fleet", dashboard: "true", ...GATEWAY });
    succeeded(await fleet.up());
    const published = await run("scripts/ci/redact.sh", [], { backend: true, name: "fleet" });
    expect(published.exitCode, published.all).toBe(0);
    expect(leaks(bucket.read("fleet"), SECRETS)).toEqual([]);
    expect(await preview("fleet")).toMatch(/Resources: \d+ unchanged\.\n/);
    fleet.change({ maxHosts: "9" });
    expect(await preview("fleet")).toContain(
      "| update | `image-gen-spot` | `aws:autoscaling/group:Group` | `maxSize` |",
    );
  });

  test("an update with placeholders is refused", async () => {
    stack.change({ previewWithoutSecrets: "true" });
    const { ok, text } = await stack.up();
    expect(ok).toBe(false);
    expect(text).toContain(
      "previewWithoutSecrets: expected false for an update, got true. Fix: pulumi config rm previewWithoutSecrets",
    );
    stack.change({ previewWithoutSecrets: undefined });
  });
});
