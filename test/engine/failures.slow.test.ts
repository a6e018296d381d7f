/** What can go wrong with a deployment: one clear reason each, again on every run, and no stack trace. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { containerReport } from "../../infra/io/docker-probe.ts";
import { docker } from "../support/docker.ts";
import { succeeded } from "../support/engine-stack.ts";
import { findOldNode } from "../support/old-node.ts";
import { engineTests, Setting } from "./setting.ts";

const setting = new Setting("failures", "stub");
const TOKEN = "hf_only_for_this_test_0123456789";
const noTrace = /^\s+at .+:\d+:\d+|node:internal|\.ts:\d+:\d+/m;

await engineTests("a failure", setting, () => {
  test("every problem of the config is one line with its fix, before anything is created", async () => {
    const stack = await setting.stack("config", { port: "99999", gpu: "maybe", modelid: "demo" });
    const run = await stack.up();
    expect(run.ok).toBe(false);
    expect(run.changes).toEqual([]);
    const lines = run.text.split("\n").map((line) => line.replace(/^.*(?=Picture-Perfect-Challenge:)/, ""));
    for (const line of [
      "Picture-Perfect-Challenge:modelid: expected modelId, got an unknown key. Fix: pulumi config rm modelid",
      'Picture-Perfect-Challenge:port: expected a whole number from 1 to 65535, got "99999". Fix: pulumi config set port 8000',
      'Picture-Perfect-Challenge:gpu: expected auto, all, none, device ids such as 0 or 0,2, or count=2, got "maybe". Fix: pulumi config set gpu auto',
    ]) {
      expect(lines).toContain(line);
    }
    expect(run.text).not.toMatch(noTrace);
  });

  const { engines } = JSON.parse(readFileSync("package.json", "utf8")) as { engines: { node: string } };
  const oldNode = findOldNode(engines.node);
  test.skipIf(!oldNode)(
    "a Node that can't read the program is named in one line, with the range and the fix",
    async () => {
      const path = { PATH: `${dirname(oldNode ?? "")}:${process.env.PATH}` };
      const run = await (await setting.project.stack("old-node", {}, path)).preview();
      expect(run.ok).toBe(false);
      expect(run.text).toContain(`The program needs Node ${engines.node}, and runs on `);
      expect(run.text).toContain("npm start, which brings its own");
      expect(run.text).not.toMatch(noTrace);
    },
  );

  // That it fails at once is shown in test/unit/infra/readiness/poller.test.ts.
  test("a model that is not there fails the update with the service's reason, and again", async () => {
    const stack = await setting.stack("missing", { modelId: "stub/missing" });
    for (let attempt = 1; attempt <= 2; attempt++) {
      const run = await stack.up();
      expect(run.ok).toBe(false);
      expect(run.text).toContain("stub/missing is not on the hub (MODEL_NOT_FOUND)");
      expect(run.text).not.toMatch(noTrace);
    }
    await stack.set({ modelId: "stub/ready" });
    succeeded(await stack.up());
  });

  test("an unreachable hub is given half a minute, and fails again on the next run", async () => {
    const stack = await setting.stack("unreachable", { modelId: "stub/unreachable" });
    const run = await stack.up();
    expect(run.ok).toBe(false);
    expect(run.seconds).toBeGreaterThan(30);
    expect(run.text).toContain("the hub does not answer (HUB_UNREACHABLE)");
    await stack.set({ readyTimeoutSeconds: "5" });
    const again = await stack.up();
    expect(again.changes).toEqual([]);
    expect(again.ok).toBe(false);
  });

  test("a container that dies is quoted", async () => {
    const stack = await setting.stack("dies", { modelId: "stub/dies", readyTimeoutSeconds: "8" });
    const run = await stack.up();
    expect(run.ok).toBe(false);
    expect(run.text).toContain("NO_RESPONSE");
    // Docker starts it again and again: it may run for a moment when it is looked at.
    expect(run.text).toMatch(
      /container \S+-dies: (restarting, exit code 1|running again, last exit code 1), restarted \d+ time/,
    );
    expect(run.text).toContain("no libcuda.so here");
    expect(run.text).not.toMatch(noTrace);
  });

  test("a container that runs again for a while is quoted with the exit code of its end", async () => {
    const name = setting.container("again");
    const image = await docker("inspect", "-f", "{{.Image}}", setting.container("missing"));
    const ends = ["--entrypoint", "sh", image, "-c", "echo out of luck; sleep 5; exit 7"];
    // One of the same name that ended otherwise.
    await docker("run", "-d", "--name", name, ...ends);
    await docker("rm", "-f", name);
    await docker("run", "-d", "--restart", "always", "--name", name, ...ends);
    const runsAgain = async () =>
      (await docker("inspect", "-f", "{{.State.Status}} {{.RestartCount}}", name)) === "running 1";
    try {
      await vi.waitUntil(runsAgain, { timeout: 60_000, interval: 100 });
      expect(await containerReport(name)).toEqual([
        `container ${name}: running again, last exit code 7, restarted 1 time`,
        "out of luck",
        "out of luck",
      ]);
    } finally {
      await docker("rm", "-f", name);
    }
  });

  test("a token is in no state, log or image, and no file is left of it", async () => {
    const stack = await setting.stack("token", { modelId: "stub/ready", modelCache: "baked", hfToken: TOKEN });
    const run = succeeded(await stack.up());
    expect(run.text).not.toContain(TOKEN);
    expect(await setting.project.storedState()).not.toContain(TOKEN);
    expect(await docker("history", "--no-trunc", String(run.outputs.imageId))).not.toContain(TOKEN);
    expect(await docker("exec", setting.container("token"), "printenv", "HF_TOKEN")).toBe(TOKEN);
    expect(existsSync(join(setting.project.directory, ".imagegen/build-secrets/hf_token"))).toBe(false);
    expect(await docker("exec", setting.container("token"), "cat", "/opt/models/had-token")).toBe("yes");
    const same = succeeded(await stack.up({ expectNoChanges: true }));
    expect(same.outputs).toEqual(run.outputs);
  });

  test("a token in plain text is refused", async () => {
    const stack = await setting.stack("token");
    stack.change({ hfToken: TOKEN });
    const run = await stack.preview();
    expect(run.ok).toBe(false);
    expect(run.text).toContain("hfToken: expected a secret, got plain text.");
    expect(run.text).not.toContain(TOKEN);
  });

  test("a build that fails shows the end of its log, and the running container stays", async () => {
    const stack = await setting.stack("missing");
    const before = await docker("inspect", "-f", "{{.Id}}", setting.container("missing"));
    const dockerfile = join(setting.project.directory, "image-gen/Dockerfile");
    setting.project.write("image-gen/Dockerfile", `${readFileSync(dockerfile, "utf8")}RUN echo so near && false\n`);
    const run = await stack.up();
    expect(run.ok).toBe(false);
    expect(run.text).toContain("The image could not be built: so near.");
    expect(run.text).toContain("The end of .imagegen/logs/image-build.log:");
    expect(await docker("inspect", "-f", "{{.Id}}", setting.container("missing"))).toBe(before);
  });
});
