/** The life of a stack on the real engine and Docker, with a stand-in for the service: what is made, replaced, kept. */
import { expect, test } from "vitest";
import { docker } from "../support/docker.ts";
import { succeeded } from "../support/engine-stack.ts";
import { CONTAINER, CONTAINER_REPLACED, engineTests, IMAGE, IMAGE_REPLACED, Setting, VOLUME } from "./setting.ts";

const setting = new Setting("deployment", "stub");
const containerOf = async (name: string) => docker("inspect", "-f", "{{.Id}}", setting.container(name));
const images = async () => docker("images", "-q", "imagegen-engine-deployment");

await engineTests("a deployment", setting, () => {
  test("a preview makes nothing; the first up makes everything; the second finds nothing to do", async () => {
    const stack = await setting.stack("life", { modelId: "stub/ready" });
    const preview = succeeded(await stack.preview());
    expect([...preview.changes].sort()).toEqual([`create ${CONTAINER}`, `create ${IMAGE}`, `create ${VOLUME}`]);
    expect(await images()).toBe("");

    const first = succeeded(await stack.up());
    expect([...first.changes].sort()).toEqual([...preview.changes].sort());
    const second = succeeded(await stack.up({ expectNoChanges: true }));
    expect(second.changes).toEqual([]);
    expect(second.outputs).toEqual(first.outputs);
    const refreshed = succeeded(await stack.up({ expectNoChanges: true, refresh: true }));
    expect(refreshed.outputs).toEqual(first.outputs);
    const again = succeeded(await stack.preview({ expectNoChanges: true }));
    expect(again.text).not.toContain("Outputs:");
    console.log(
      `preview ${again.seconds.toFixed(1)} s, ${again.cpuSeconds.toFixed(1)} s of processors; ` +
        `first up ${first.seconds.toFixed(1)} s, second ${second.seconds.toFixed(1)} s`,
    );
  });

  test("the container is the one that the contract describes", async () => {
    const [inspected] = JSON.parse(await docker("inspect", setting.container("life"))) as [
      { Config: Record<string, unknown>; HostConfig: Record<string, unknown>; Image: string },
    ];
    expect(inspected.Config).toMatchObject({ User: "10001:10001", Image: inspected.Image, StopTimeout: 60 });
    expect(inspected.Config.Env).toEqual(
      expect.arrayContaining(["HF_HOME=/data/huggingface", "TRANSFORMERS_CACHE=/data/huggingface/hub"]),
    );
    expect(inspected.HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Privileged: false,
      Init: true,
      Tmpfs: { "/tmp": "size=1g,mode=1777" },
      RestartPolicy: { Name: "unless-stopped" },
      NetworkMode: "bridge",
      LogConfig: { Type: "json-file", Config: { "max-file": "3", "max-size": "10m" } },
    });
  });

  test("code that changes replaces the image and the container, and nothing else; tests and byte code do not", async () => {
    const stack = await setting.stack("code", { modelId: "stub/ready" });
    succeeded(await stack.up());
    const before = await containerOf("code");
    setting.project.write("image-gen/src/notes.pyc", "x");
    setting.project.write("image-gen/notes.md", "x");
    succeeded(await stack.up({ expectNoChanges: true }));
    setting.project.write("image-gen/src/extra.py", "VALUE = 1\n");
    const changed = succeeded(await stack.up());
    expect([...changed.changes].sort()).toEqual([...CONTAINER_REPLACED, ...IMAGE_REPLACED].sort());
    expect(await containerOf("code")).not.toBe(before);
    console.log(`code change ${changed.seconds.toFixed(1)} s`);
    succeeded(await stack.up({ expectNoChanges: true }));
  });

  test("another model replaces the container alone; baking it replaces the image too; the volume stays", async () => {
    const stack = await setting.stack("model", { modelId: "stub/ready" });
    succeeded(await stack.up());
    await stack.set({ modelId: "stub/other" });
    const other = succeeded(await stack.up());
    expect([...other.changes].sort()).toEqual([...CONTAINER_REPLACED].sort());
    expect(other.outputs.modelId).toBe("stub/other");

    await stack.set({ modelCache: "baked" });
    const baked = succeeded(await stack.up());
    expect([...baked.changes].sort()).toEqual([...CONTAINER_REPLACED, ...IMAGE_REPLACED].sort());
    const image = String(baked.outputs.imageId);
    expect(await docker("run", "--rm", "--entrypoint", "cat", image, "/opt/models/id")).toBe("stub/other");
    const mounts = await docker(
      "inspect",
      "-f",
      "{{range .Mounts}}{{.Name}} {{.Destination}}{{end}}",
      setting.container("model"),
    );
    expect(mounts).toBe(`${setting.volume("model")} /data`);
  });

  test("destroy leaves the volume, and a new stack takes it over as it is", async () => {
    const stack = await setting.stack("model");
    const gone = succeeded(await stack.destroy());
    expect(gone.changes).toContain(`delete ${CONTAINER}`);
    const kept = await docker(
      "run",
      "--rm",
      "-v",
      `${setting.volume("model")}:/data:ro`,
      "imagegen-engine-deployment:baked",
      "ls",
      "/data/huggingface/hub",
    );
    expect(kept).toContain("models--stub--other");

    const heir = await setting.stack("heir", { modelId: "stub/other", volumeName: setting.volume("model") });
    const { outputs } = succeeded(await heir.up());
    const state = await (await fetch(String(outputs.readyUrl))).json();
    expect(state).toMatchObject({ phase: "ready", source: "volume" });
    await heir.set({ onDestroy: "delete" });
    succeeded(await heir.up());
    succeeded(await heir.destroy());
    expect(await docker("volume", "ls", "-q", "--filter", `name=${setting.volume("model")}`)).toBe("");
  });

  test.each(["local", "local-baked"])("the stack %s of the checkout can be previewed as it is", async (name) => {
    const stack = await setting.project.stack(name, {});
    const { changes } = succeeded(await stack.preview());
    expect([...changes].sort()).toEqual([`create ${CONTAINER}`, `create ${IMAGE}`, `create ${VOLUME}`]);
  });

  test("the policy pack passes this stack and stops one whose port is open to all", async () => {
    const stack = await setting.stack("life");
    const policyPacks = [`${setting.project.directory}/policy`];
    expect(succeeded(await stack.preview({ policyPacks })).text).not.toContain("advisory");
    const fresh = await setting.stack("fresh", { modelId: "stub/ready" });
    const first = succeeded(await fresh.preview({ policyPacks }));
    expect(first.text).not.toMatch(/advisory|can't run policy/);
    // What is known before the image is built is shown: all but its id.
    expect(first.text).toMatch(/url +: "http:/);
    expect(first.text).toMatch(/modelId +: "stub\/ready"/);
    await stack.set({ bindAddress: "0.0.0.0", allowUnauthenticated: "true" });
    const stopped = await stack.preview({ policyPacks });
    expect(stopped.ok).toBe(false);
    expect(stopped.text).toContain("port-not-open-to-all");
    expect(stopped.text).toContain("key-for-open-port");
    await stack.set({ bindAddress: "127.0.0.1" });
  });
});
