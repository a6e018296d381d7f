/** Settings of the service on the real engine and Docker: each arrives, is no change the second time, and replaces the container alone. */
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { docker } from "../support/docker.ts";
import { succeeded } from "../support/engine-stack.ts";
import { CONTAINER, CONTAINER_REPLACED, engineTests, IMAGE, Setting } from "./setting.ts";

const setting = new Setting("settings", "stub");
const folder = mkdtempSync(join(tmpdir(), "imagegen-settings-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Inspected {
  readonly Config: { readonly Env: readonly string[]; readonly User: string };
  readonly Mounts: readonly {
    readonly Type: string;
    readonly Source: string;
    readonly Destination: string;
    readonly RW: boolean;
  }[];
}
const inspect = async (name: string) =>
  (JSON.parse(await docker("inspect", setting.container(name))) as [Inspected])[0];

await engineTests("settings of the service", setting, () => {
  const data = join(folder, "data");
  const cache = join(folder, "cache");
  const ca = join(folder, "ca.pem");
  const model = join(folder, "my fox.safetensors");

  test("files and folders of this machine, a user of its own, secrets and plain variables arrive, and are no change again", async () => {
    for (const path of [data, cache]) mkdirSync(path);
    writeFileSync(ca, "-----BEGIN CERTIFICATE-----\n", { mode: 0o644 });
    writeFileSync(model, "weights", { mode: 0o644 });
    if (process.getuid?.() === 0) chownSync(data, 12_345, 12_345);
    const user = process.getuid?.() === 0 ? "12345:12345" : `${process.getuid?.()}:${process.getgid?.()}`;
    const stack = await setting.stack("all", {
      modelId: "stub/ready",
      volumeName: data,
      containerUser: user,
      hostCache: cache,
      modelDir: model,
      caFile: ca,
      apiKey: "k-123",
      httpsProxy: "http://anna:p%23ss@proxy.example:3128",
      noProxy: ".example",
      environment: '{"AWS_SECRET_ACCESS_KEY":"s-123","AWS_REGION":"r"}',
      maxSize: "512",
    });
    const first = succeeded(await stack.up());
    expect([...first.changes].sort()).toEqual([`create ${CONTAINER}`, `create ${IMAGE}`]);
    const { Config, Mounts } = await inspect("all");
    expect(Config.User).toBe(user);
    expect(Config.Env).toEqual(
      expect.arrayContaining([
        "IMAGE_GEN_API_KEY=k-123",
        "HTTPS_PROXY=http://anna:p%23ss@proxy.example:3128",
        "NO_PROXY=.example",
        "AWS_SECRET_ACCESS_KEY=s-123",
        "IMAGE_GEN_MAX_SIZE=512",
        "SSL_CERT_FILE=/etc/image-gen/ca.pem",
        "IMAGE_GEN_HOST_CACHE=/host-cache",
        "MODEL_DIR=/models/my fox.safetensors",
      ]),
    );
    expect(Mounts.map(({ Type, Source, Destination, RW }) => [Type, Source, Destination, RW]).sort()).toEqual(
      [
        ["bind", cache, "/host-cache", false],
        ["bind", ca, "/etc/image-gen/ca.pem", false],
        ["bind", data, "/data", true],
        ["bind", model, "/models/my fox.safetensors", false],
      ].sort(),
    );
    expect(first.outputs.modelId).toBe("/models/my fox.safetensors");
    succeeded(await stack.up({ expectNoChanges: true }));
    succeeded(await stack.up({ expectNoChanges: true, refresh: true }));
    const state = await setting.project.storedState();
    for (const secret of ["k-123", "p%23ss", "s-123"]) expect(state).not.toContain(secret);
  });

  test.each([
    { maxSize: "1024", apiKey: "k-456", offline: "true" },
    { httpsProxy: "http://proxy.example:3129", noProxy: ".example,.test" },
  ])("%j replaces the container alone", async (change) => {
    const stack = await setting.stack("all", { volumeName: data, ...change });
    expect([...succeeded(await stack.up()).changes].sort()).toEqual([...CONTAINER_REPLACED].sort());
  });

  test("the program refuses a setting that it can't follow before it touches the container", async () => {
    const stack = await setting.stack("kept", { modelId: "stub/ready" });
    succeeded(await stack.up());
    const before = await docker("inspect", "-f", "{{.Id}}", setting.container("kept"));
    for (const [change, expected] of [
      [
        { caFile: "/nowhere/ca.pem" },
        /caFile: expected a file of this machine, got \/nowhere\/ca\.pem, which does not exist/,
      ],
      [
        { bindAddress: "192.0.2.1" },
        /bindAddress: expected an address of this machine alone.*Fix: pulumi config set --secret apiKey/,
      ],
      [{ hostCache: "/root" }, /hostCache: expected a folder that user .* can read, got \/root of user 0:0/],
    ] as const) {
      await stack.set(change);
      const refused = await stack.up();
      expect(refused.ok).toBe(false);
      expect(refused.text).toMatch(expected);
      expect(await docker("inspect", "-f", "{{.Id}}", setting.container("kept"))).toBe(before);
      stack.change(Object.fromEntries(Object.keys(change).map((key) => [key, undefined])));
    }
  });
});
