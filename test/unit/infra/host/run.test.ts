/** What Docker is asked to run on a host, with stand-ins for Docker and for the scripts that ask AWS. */
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FLEET_VARIABLES, hostEnvironment } from "../../../../infra/contract.ts";

const IMAGE = `registry/image@sha256:${"1".repeat(64)}`;
let folder: string;

function script(name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-run-"));
  for (const name of ["run", "deployment"]) cpSync(`infra/aws/host/files/bin/${name}`, join(folder, name));
  const contract = Object.entries(hostEnvironment()).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const host = "IMAGE_GEN_PUBLISH=127.0.0.1 IMAGE_GEN_LOG_GROUP= IMAGE_GEN_REGION=us-east-1";
  const names = `state=${folder} container=image-gen`;
  const functions = `trouble() { printf '%s\\n' "$2" >&2; }; resolved() { :; }; instance_id() { echo i-1; }
metadata() { [ "$1" = tags/instance/aws:autoscaling:groupName ] && cat ${folder}/group 2>/dev/null; }`;
  writeFileSync(join(folder, "lib"), `set -euo pipefail\n${[...contract, host, names, functions].join("\n")}\n`);
  script("api-keys", ":");
  script("systemd-cat", `shift; exec "$@"`);
  script("docker", `[ "$1" != run ] || printf '%s\\n' "$@" >${folder}/asked`);
  const deployment = { schema: 1, id: "0123456789ab", image: IMAGE, environment: { MODEL_ID: "a/b" } };
  writeFileSync(join(folder, "current.json"), JSON.stringify(deployment));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function runWith(env: Record<string, string> = {}) {
  const path = `${folder}:${process.env.PATH}`;
  const { all } = await execa(join(folder, "run"), { env: { PATH: path, ...env }, all: true });
  const asked = readFileSync(join(folder, "asked"), "utf8").trimEnd().split("\n");
  expect(asked.at(-1)).toBe(IMAGE);
  expect(asked).toContain("MODEL_ID=a/b");
  const after = (option: string) => asked.filter((_, index) => asked[index - 1] === option);
  return { all, mounts: after("--mount"), variables: after("--env") };
}

const DATA = "type=bind,src=/data,dst=/data";
const COPY = { IMAGE_GEN_INSTANCE_STORE: "/instance-store" };

test("a host without a copy of the model mounts its volume alone", async () => {
  expect(await runWith()).toMatchObject({ all: "", mounts: [DATA] });
});

test("the disk of a copy is mounted where it is there", async () => {
  script("instance-store", `[ "$*" = mount ]`);
  expect((await runWith(COPY)).mounts).toEqual([DATA, "type=bind,src=/instance-store,dst=/instance-store"]);
});

test.each([
  ["there is no disk", "echo no disk >&2; exit 1", "no disk"],
  ["its script fails", "exit 127", ""],
])("the container starts without it where %s", async (_, text, said) => {
  script("instance-store", text);
  expect(await runWith(COPY)).toMatchObject({ all: said, mounts: [DATA] });
});

test.each([
  ["a fleet's host gives its worker the names to protect it with", { IMAGE_GEN_DEPLOYMENT: "a" }, true, true],
  [
    "a fleet's host that is in no group has a worker that protects nothing",
    { IMAGE_GEN_DEPLOYMENT: "a" },
    false,
    false,
  ],
  ["a host with a volume has a service that protects nothing", {}, true, false],
] as const)("%s", async (_, env, hasGroup, isNamed) => {
  if (hasGroup) writeFileSync(join(folder, "group"), "image-gen-spot-1");
  const named = [`${FLEET_VARIABLES.autoScalingGroup}=image-gen-spot-1`, `${FLEET_VARIABLES.instanceId}=i-1`];
  expect((await runWith(env)).variables).toEqual([...(isNamed ? named : []), "MODEL_ID=a/b"]);
});

test("a fleet's host removes its protection once after a container that was ready: perhaps no other one starts", async () => {
  writeFileSync(join(folder, "group"), "image-gen-spot-1");
  script("aws", `printf '%s ' "$AWS_SHARED_CREDENTIALS_FILE" "$@" >>${folder}/calls; exit 1`);
  await runWith({ IMAGE_GEN_DEPLOYMENT: "a" });
  expect(existsSync(join(folder, "calls"))).toBe(false);
  for (const name of ["was-ready", "strikes"]) writeFileSync(join(folder, name), "");
  // It starts all the same, and where it ends at once, the next start asks nothing.
  for (const _ of ["second", "third"]) await runWith({ IMAGE_GEN_DEPLOYMENT: "a" });
  expect(readFileSync(join(folder, "calls"), "utf8")).toBe(
    `${folder}/mirror/credentials autoscaling set-instance-protection --auto-scaling-group-name image-gen-spot-1 --instance-ids i-1 --no-protected-from-scale-in `,
  );
});

test("a deployment that comes while one is started does not mix with it", async () => {
  const other = JSON.stringify({ schema: 1, id: "f".repeat(12), image: IMAGE.replaceAll("1", "2"), environment: {} });
  script("api-keys", `echo '${other}' >${folder}/current.json`);
  await runWith();
});
