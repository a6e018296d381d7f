import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { renderUserData } from "../../../infra/aws/host/user-data.ts";
import { hostEnvironment } from "../../../infra/contract.ts";
import { UserError } from "../../../infra/errors.ts";
import type { HostFilesPlan } from "../../../infra/plan/aws/host.ts";

const plan: HostFilesPlan = {
  region: "eu-central-1",
  stack: "aws-volume",
  parameters: "/imagegen/aws-volume",
  volumeId: "vol-0123456789abcdef0",
  formatIfBlank: true,
  filesystem: "xfs",
  logGroup: "/imagegen/aws-volume",
  registry: "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
  selfHealing: false,
  idleStopMinutes: 30,
  instanceStore: false,
  endpointsOnly: true,
  publishAddress: "127.0.0.1",
  mirrorRoleArn: "arn:aws:iam::123456789012:role/image-gen-mirror",
};

interface CloudConfig {
  readonly write_files: readonly { readonly path: string; readonly permissions: string; readonly content: string }[];
  readonly runcmd: readonly (readonly string[])[];
}

function rendered(changes: Partial<HostFilesPlan> = {}): CloudConfig {
  const text = gunzipSync(Buffer.from(renderUserData({ ...plan, ...changes }), "base64")).toString();
  expect(text.startsWith("#cloud-config\n")).toBe(true);
  return JSON.parse(text.slice(text.indexOf("\n"))) as CloudConfig;
}

const content = (config: CloudConfig, path: string) => config.write_files.find((file) => file.path === path)?.content;

test("the host's settings are the plan's", () => {
  expect(content(rendered(), "/etc/image-gen/host.env")?.split("\n")).toEqual([
    "IMAGE_GEN_REGION=eu-central-1",
    "IMAGE_GEN_STACK=aws-volume",
    "IMAGE_GEN_PARAMETERS=/imagegen/aws-volume",
    "IMAGE_GEN_VOLUME_ID=vol-0123456789abcdef0",
    "IMAGE_GEN_FORMAT_IF_BLANK=1",
    "IMAGE_GEN_FILESYSTEM=xfs",
    "IMAGE_GEN_LOG_GROUP=/imagegen/aws-volume",
    "IMAGE_GEN_REGISTRY=123456789012.dkr.ecr.eu-central-1.amazonaws.com",
    "IMAGE_GEN_SELF_ATTACH=0",
    "IMAGE_GEN_IDLE_STOP_MINUTES=30",
    "IMAGE_GEN_ENDPOINTS_ONLY=1",
    "IMAGE_GEN_PUBLISH=127.0.0.1",
    "IMAGE_GEN_MIRROR_ROLE_ARN=arn:aws:iam::123456789012:role/image-gen-mirror",
    "",
  ]);
});

test("the scripts get the contract as it is, beside them", () => {
  const lines = content(rendered(), "/opt/image-gen/contract.env")?.trimEnd().split("\n") ?? [];
  expect(Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)))).toEqual(hostEnvironment());
});

test("every variable that a script reads is written for it", () => {
  const config = rendered();
  const written = ["/opt/image-gen/contract.env", "/etc/image-gen/host.env"]
    .flatMap((path) => content(config, path)?.split("\n") ?? [])
    .map((line) => line.split("=")[0] ?? "");
  const scripts = config.write_files.filter(({ path }) => path.startsWith("/opt/image-gen/bin/"));
  const read = scripts.flatMap(({ content: text }) => text.match(/\bIMAGE_GEN_[A-Z_]+\b(?!:?-)/g) ?? []);
  const ofTheContainer = [
    "IMAGE_GEN_API_KEY",
    "IMAGE_GEN_API_KEYS_FILE",
    "IMAGE_GEN_AUTO_SCALING_GROUP",
    "IMAGE_GEN_INSTANCE_ID",
    "IMAGE_GEN_QUEUE_URL",
  ];
  const known = [...written, ...ofTheContainer];
  expect([...new Set(read)].filter((name) => !known.includes(name))).toEqual([]);
  expect(written.filter((name) => name !== "" && !read.includes(name) && !name.endsWith("_FILESYSTEM"))).toEqual([]);
});

test("every script is there and runnable, every unit is where systemd looks, and one command starts them", () => {
  const config = rendered();
  const paths = config.write_files.map(({ path, permissions }) => `${permissions} ${path}`);
  expect(paths).toContain("0755 /opt/image-gen/bin/data-volume");
  expect(paths).toContain("0644 /etc/systemd/system/image-gen.service");
  expect(config.runcmd).toEqual([["/opt/image-gen/bin/install-services"]]);
  expect(paths).toContain("0755 /opt/image-gen/bin/install-services");
});

test("every command that a unit or a script names is delivered", () => {
  const config = rendered();
  const delivered = new Set(config.write_files.map(({ path }) => path));
  const named = config.write_files.flatMap((file) => file.content.match(/\/opt\/image-gen\/bin\/[a-z-]+/g) ?? []);
  expect(named.length).toBeGreaterThan(8);
  expect(named.filter((path) => !delivered.has(path))).toEqual([]);
});

test("the same plan gives the same text, and fits EC2's limit with room to spare", () => {
  const text = renderUserData(plan);
  expect(renderUserData({ ...plan })).toBe(text);
  const bytes = Buffer.from(text, "base64");
  // No time and no name in the header, and the same operating system wherever it was made.
  expect([...bytes.subarray(3, 10)]).toEqual([0, 0, 0, 0, 0, 2, 3]);
  expect(bytes.length).toBeLessThan(14_600);
});

test("with a copy of the model the host has the instance store's script beside the volume's, and still fits", () => {
  const config = rendered({ instanceStore: true });
  const textOf = (name: string) => content(config, `/opt/image-gen/bin/${name}`) ?? "";
  expect(textOf("instance-store")).toContain("Amazon EC2 NVMe Instance Storage");
  expect(textOf("data-volume")).toContain("the volume does not answer");
  expect(content(config, "/etc/image-gen/host.env")).toContain("\nIMAGE_GEN_INSTANCE_STORE=/instance-store\n");
  expect(content(rendered(), "/opt/image-gen/bin/instance-store")).toBeUndefined();
  expect(Buffer.from(renderUserData({ ...plan, instanceStore: true }), "base64").length).toBeLessThan(15_900);
});

test("comments stay behind: they take room, and change no host", () => {
  const scripts = rendered().write_files.filter(({ path }) => !path.endsWith(".env"));
  const lines = scripts.flatMap(({ content: text }) => text.split("\n"));
  expect(lines.filter((line) => /^\s*#/.test(line) && !line.startsWith("#!"))).toEqual([]);
  expect(lines.filter((line) => line.startsWith("#!"))).toHaveLength(
    scripts.filter(({ path }) => path.startsWith("/opt/image-gen/bin/") && !/\/(?:lib|disk)$/.test(path)).length,
  );
});

test("neither an image nor a secret is in it: a new image does not replace the host", () => {
  const text = JSON.stringify(rendered());
  expect(text).not.toMatch(/sha256:[0-9a-f]{64}/);
  expect(text).not.toMatch(/AKIA|hf_[A-Za-z0-9]{10}/);
});

test.each(["two\nlines", "a b", "$(reboot)", 'quo"te'])("a value that a shell would read is refused: %j", (stack) => {
  expect(() => renderUserData({ ...plan, stack })).toThrow(UserError);
  expect(() => renderUserData({ ...plan, stack })).toThrow(/^IMAGE_GEN_STACK: expected .+, got .+\. Fix: .+$/);
});
