/** The workflows' own scripts, in the order in which the workflows run them, on a stack of this machine. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, expect, test } from "vitest";
import { docker } from "../support/docker.ts";
import { PreviewBucket } from "../support/preview-bucket.ts";
import { engineTests, Setting } from "./setting.ts";

const bucket = new PreviewBucket();
afterAll(() => bucket.remove());
const setting = new Setting("ci", "stub");

/** `scripts/ci/<name>` in the project, as a job runs it. */
async function script(name: string, args: readonly string[] = []) {
  const { directory, environment } = setting.project;
  const env = {
    ...environment,
    ...bucket.environment(environment.PATH ?? ""),
    IMAGEGEN_STACK: "ci",
    GITHUB_ACTIONS: "true",
  };
  const summary = join(directory, "summary.md");
  rmSync(summary, { force: true });
  const ended = await execa(join(directory, "scripts/ci", name), args, {
    env: { ...env, GITHUB_STEP_SUMMARY: summary },
    reject: false,
    all: true,
  });
  return { exitCode: ended.exitCode, text: ended.all, summary };
}

await engineTests("the workflows' scripts", setting, () => {
  test("preview of a pull request, update of main, no drift, drift, update, no drift", async () => {
    const stack = await setting.stack("ci", { modelId: "stub/ready" });

    const published = await script("redact.sh");
    expect(published.exitCode, published.text).toBe(0);
    const preview = await script("preview.sh", [".imagegen/preview.md"]);
    expect(preview.exitCode, preview.text).toBe(0);
    const report = readFileSync(join(setting.project.directory, ".imagegen/preview.md"), "utf8");
    expect(report).toMatch(/^### What `pulumi up` would do to ci\n/);
    expect(report).toContain("docker:index/container:Container");
    expect(report).toContain("Policy Packs run:");
    expect(await docker("ps", "-aq", "--filter", `name=${setting.container("ci")}`)).toBe("");

    const up = await script("up.sh");
    expect(up.exitCode, up.text).toBe(0);
    const calm = await script("drift.sh");
    expect(calm.exitCode, calm.text).toBe(0);
    expect(calm.text).toContain("ci: no drift");
    expect((await script("redact.sh")).exitCode).toBe(0);
    expect((await script("preview.sh", [".imagegen/preview.md"])).text).toMatch(/Resources:\n +\d+ unchanged\n/);

    // Somebody helped by hand.
    await docker("rm", "-f", setting.container("ci"));
    const gone = await script("drift.sh");
    expect(gone.exitCode).toBe(1);
    expect(gone.text).toContain("::error::ci: what is there is not what was deployed.");
    expect(readFileSync(gone.summary, "utf8")).toContain("image-gen-container");
    expect((await stack.up({ refresh: true })).ok).toBe(true);
    expect((await script("drift.sh")).exitCode).toBe(0);

    // Something was merged, and not deployed.
    await stack.set({ modelId: "stub/other" });
    const behind = await script("drift.sh");
    expect(behind.exitCode).toBe(1);
    expect(behind.text).toContain("::error::ci: what was deployed is not what the code says.");
  });

  test("an update that the policy pack refuses changes nothing", async () => {
    const stack = await setting.stack("ci", {
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
