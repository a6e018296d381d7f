/** The workflows' own scripts, in the order in which the workflows run them, on a stack of this machine. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, expect, test } from "vitest";
import { docker } from "../support/docker.ts";
import { PreviewBucket } from "../support/preview-bucket.ts";
import { engineTests, Setting } from "./setting.ts";

/** No stack of the checkout's: each of those has a file. */
const NAME = "workflows";
const bucket = new PreviewBucket();
afterAll(() => bucket.remove());
const setting = new Setting("ci", "stub");

/** `scripts/ci/<name>` in the project, as a job runs it. */
async function script(name: string, args: readonly string[] = [], variables: Readonly<Record<string, string>> = {}) {
  const { directory, environment } = setting.project;
  const env = {
    ...environment,
    ...bucket.environment(environment.PATH ?? ""),
    IMAGEGEN_STACK: NAME,
    GITHUB_ACTIONS: "true",
  };
  const [summary, output] = [join(directory, "summary.md"), join(directory, "output")];
  for (const file of [summary, output]) rmSync(file, { force: true });
  const ended = await execa(join(directory, "scripts/ci", name), args, {
    env: { ...env, GITHUB_STEP_SUMMARY: summary, GITHUB_OUTPUT: output, ...variables },
    reject: false,
    all: true,
  });
  return { exitCode: ended.exitCode, text: ended.all, summary, output };
}

await engineTests("the workflows' scripts", setting, () => {
  test("preview of a pull request, update of main, no drift, drift, update, no drift", async () => {
    const stack = await setting.stack(NAME, { modelId: "stub/ready" });

    const published = await script("redact.sh");
    expect(published.exitCode, published.text).toBe(0);
    const preview = await script("preview.sh", [".imagegen/preview.md"]);
    expect(preview.exitCode, preview.text).toBe(0);
    const report = readFileSync(join(setting.project.directory, ".imagegen/preview.md"), "utf8");
    expect(report).toMatch(/^### What `pulumi up` would do to workflows\n/);
    expect(report).toContain("docker:index/container:Container");
    expect(report).toContain("Policy Packs run:");
    expect(report).toContain("| create | `image-gen-container` | `docker:index/container:Container` |  |");
    expect(report).toContain("#### Policies\n\nNo findings.\n");
    expect(await docker("ps", "-aq", "--filter", `name=${setting.container(NAME)}`)).toBe("");

    const up = await script("up.sh");
    expect(up.exitCode, up.text).toBe(0);
    const calm = await script("drift.sh");
    expect(calm.exitCode, calm.text).toBe(0);
    expect(calm.text).toContain(`${NAME}: no drift`);
    expect((await script("redact.sh")).exitCode).toBe(0);
    expect((await script("preview.sh", [".imagegen/preview.md"])).text).toMatch(/Resources:\n +\d+ unchanged\n/);

    // Somebody helped by hand.
    await docker("rm", "-f", setting.container(NAME));
    const gone = await script("drift.sh");
    expect(gone.exitCode).toBe(1);
    expect(gone.text).toContain(`::error::${NAME}: what is there is not what was deployed.`);
    expect(readFileSync(gone.summary, "utf8")).toContain("image-gen-container");
    const written = readFileSync(gone.output, "utf8");
    expect(written).toMatch(/^answer<<(\S+)\ndrift\n\1\nreport<</);
    expect(written).toContain("| gone | `image-gen-container` | `docker:index/container:Container` |  |");
    expect(written).not.toContain(setting.container(NAME));
    expect((await stack.up({ refresh: true })).ok).toBe(true);
    expect((await script("drift.sh")).exitCode).toBe(0);

    // Something was merged, and not deployed.
    await stack.set({ modelId: "stub/other" });
    const behind = await script("drift.sh");
    expect(behind.exitCode).toBe(1);
    expect(behind.text).toContain(`::error::${NAME}: what was deployed is not what the code says.`);
  });

  test("a canary is made from scratch, though an earlier one was left, and nothing of it stays but its config", async () => {
    const name = "canary-here";
    await setting.stack(name, { modelId: "stub/ready" });
    const canary = { IMAGEGEN_CANARY_STACK: name, IMAGEGEN_SECRETS_PROVIDER: "passphrase" };
    const up = await script("canary.sh", ["up"], canary);
    expect(up.exitCode, up.text).toBe(0);
    expect(up.text).toContain(`${name}: an earlier run left a stack, which is destroyed first.`);
    const running = () => docker("ps", "-q", "--filter", `name=${setting.container(name)}`);
    expect(await running()).not.toBe("");
    const destroyed = await script("canary.sh", ["destroy"], canary);
    expect(destroyed.exitCode, destroyed.text).toBe(0);
    expect(await running()).toBe("");
    const again = await script("canary.sh", ["destroy"], canary);
    expect([again.exitCode, again.text]).toEqual([0, `${name}: there is no stack to destroy.`]);
    expect(existsSync(join(setting.project.directory, `stacks/Pulumi.${name}.yaml`))).toBe(true);
  });

  test("an update that the policy pack refuses changes nothing", async () => {
    const stack = await setting.stack(NAME, {
      modelId: "stub/ready",
      bindAddress: "0.0.0.0",
      allowUnauthenticated: "true",
    });
    const up = await script("up.sh");
    expect(up.exitCode).not.toBe(0);
    expect(up.text).toContain("port-not-open-to-all");
    await stack.set({ bindAddress: "127.0.0.1" });
  });
});
