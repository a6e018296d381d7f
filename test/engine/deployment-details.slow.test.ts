/** What a stack on Docker meets in its life: a volume of Compose's, a container that is gone, a limit; with a stand-in for the service. */
import { expect, test } from "vitest";
import { docker } from "../support/docker.ts";
import { succeeded } from "../support/engine-stack.ts";
import { CONTAINER, engineTests, Setting } from "./setting.ts";

const setting = new Setting("details", "stub");

await engineTests("a stack on Docker", setting, () => {
  test("a volume that Compose made is taken over without a change", async () => {
    await docker("volume", "create", "--label", "com.docker.compose.volume=image_data", setting.volume("compose"));
    const stack = await setting.stack("compose", { modelId: "stub/ready" });
    succeeded(await stack.up());
    succeeded(await stack.up({ expectNoChanges: true, refresh: true }));
    expect(await docker("volume", "inspect", "-f", "{{json .Labels}}", setting.volume("compose"))).toContain(
      "image_data",
    );
  });

  test("a container that was removed by hand comes back with --refresh", async () => {
    const stack = await setting.stack("life", { modelId: "stub/ready" });
    succeeded(await stack.up());
    await docker("rm", "-f", setting.container("life"));
    const { changes } = succeeded(await stack.up({ refresh: true }));
    expect(changes).toContain(`create ${CONTAINER}`);
  });

  test("a memory limit is in force and no change the second time", async () => {
    const stack = await setting.stack("life", { memoryMb: "1024" });
    succeeded(await stack.up());
    succeeded(await stack.up({ expectNoChanges: true, refresh: true }));
    const limits = await docker(
      "inspect",
      "-f",
      "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}",
      setting.container("life"),
    );
    expect(limits).toBe(`${1024 * 2 ** 20} ${1024 * 2 ** 20}`);
  });
});
