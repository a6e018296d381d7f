/** The host's file of API keys: read again while the container runs, never half-written, and the same for the service until a key changes. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

const SCRIPTS = join(import.meta.dirname, "../../../../infra/aws/host/files");
const ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:keys";
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-keys-"));
  mkdirSync(join(folder, "state"));
  for (const path of ["credentials/api-keys", "bin/deployment"])
    cpSync(join(SCRIPTS, path), join(folder, basename(path)));
  script("chown", 'echo "chown $*" >>"$0.calls"');
  script("install", 'echo "install $*" >>"$0.calls"; for last; do :; done; mkdir -p "$last"');
  const variables =
    "IMAGE_GEN_USER=10001:10001 IMAGE_GEN_STACK=prod IMAGE_GEN_REGION= IMAGE_GEN_CONTAINER= IMAGE_GEN_PORT=";
  const lib = readFileSync(join(SCRIPTS, "bin/lib"), "utf8").replace("/run/image-gen\n", `${folder}/state\n`);
  writeFileSync(join(folder, "lib"), lib.replace(/^\. .*/m, variables).replace(/^\. .*/m, ""));
  deployed({ HF_TOKEN: "arn:hf", IMAGE_GEN_API_KEY: ARN });
});
afterEach(() => rmSync(folder, { recursive: true }));

function script(name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}
function deployed(secrets: object): void {
  const deployment = { schema: 1, id: "a".repeat(12), image: `r/i@sha256:${"0".repeat(64)}`, secrets };
  writeFileSync(join(folder, "state/current.json"), JSON.stringify(deployment));
}
function stored(value: string): void {
  writeFileSync(join(folder, "value"), value);
  script("aws", `echo "$*" >>"$0.calls"; cat ${folder}/value; echo`);
}
const run = (...words: string[]) =>
  execa(join(folder, "api-keys"), words, { env: { PATH: `${folder}:${process.env.PATH}` }, reject: false });
const file = () => join(folder, "state/keys/api-keys");
const keys = () => readFileSync(file(), "utf8");
const calls = (name: string) =>
  readFileSync(join(folder, `${name}.calls`), "utf8")
    .trimEnd()
    .split("\n");

function lookedAt(minutes: number): void {
  const then = Date.now() / 1000 - minutes * 60;
  utimesSync(join(folder, "state/keys-read"), then, then);
}

test.each([
  ["one key", 'a"key', { default: 'a"key' }],
  ["the hash of one key", `sha256:${"0".repeat(64)}`, { default: `sha256:${"0".repeat(64)}` }],
  [
    "the JSON of several",
    '{"alice": "a1", "bob": {"key": "b1", "concurrent": 2}}',
    { alice: "a1", bob: { key: "b1", concurrent: 2 } },
  ],
  ["JSON over several lines", '{\n  "alice": "a1"\n}', { alice: "a1" }],
  ["lines of a name and a key", "# of clients\nalice:a1\n\nbob: b1:2", { alice: "a1", bob: "b1:2" }],
  ["the one line that is left of several", "bob:b1", { bob: "b1" }],
])("of %s it is what the service reads, for the container's user alone", async (_, value, expected) => {
  stored(value);
  expect(await run()).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  expect(JSON.parse(keys())).toEqual(expected);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect(calls("install")).toEqual([`install -d -m 0700 -o 10001 ${folder}/state/keys`]);
  expect(calls("chown")).toEqual([expect.stringMatching(/^chown 10001 \S+\/state\/keys\.\d+$/)]);
  expect(calls("aws")).toEqual([
    `secretsmanager get-secret-value --secret-id ${ARN} --query SecretString --output text`,
  ]);
});

test("a changed secret is read by the watchdog after five minutes, and by a container's start at once", async () => {
  stored("one");
  await run();
  stored("two");
  lookedAt(4);
  await run("--renew");
  expect(keys()).toContain("one");
  lookedAt(6);
  await run("--renew");
  expect(keys()).toContain("two");
  stored("three");
  await run();
  expect(keys()).toContain("three");
});

test("the same keys leave the file as it is", async () => {
  stored("one");
  await run();
  const before = statSync(file()).ino;
  lookedAt(6);
  await run("--renew");
  expect(statSync(file()).ino).toBe(before);
  // And it is not asked for again at the next look.
  await run("--renew");
  expect(calls("aws")).toHaveLength(2);
});

test("a refusal is one line with its fix, without a key, and leaves what there was", async () => {
  stored("one");
  await run();
  script("aws", "printf 'first\\nAccess to KMS is not allowed\\n' >&2; exit 254");
  const { exitCode, stdout } = await run();
  expect(exitCode).toBe(3);
  expect(stdout).toBe(
    "the secret for IMAGE_GEN_API_KEY can not be read: Access to KMS is not allowed. " +
      "Fix: imagegen up --stack prod --config decryptKmsKeyArns=<ARN of the secret's key>",
  );
  expect(keys()).toContain("one");
});

test.each([
  ["JSON that is cut off", '{"alice": "k1"'],
  ["a name that is there twice", '{"alice": "k1", "alice": "k2"}'],
  ["a field that no key has", '{"alice": {"key": "k1", "limit": 2}}'],
  ["a key without its text", '{"alice": null}'],
  ["no key at all", "# none yet"],
  ["a line without a name among others", "alice:k1\nk2"],
  ["words", "not a key"],
  ["what AWS prints of a binary secret", "None"],
])("%s is refused without showing it, and the keys stay", async (_, value) => {
  stored("one");
  await run();
  stored(value);
  const { exitCode, stdout } = await run();
  expect(exitCode).toBe(3);
  expect(stdout).toMatch(/^the secret for IMAGE_GEN_API_KEY .+$/);
  expect(stdout).not.toMatch(/k1|k2/);
  expect(JSON.parse(keys())).toEqual({ default: "one" });
  expect(readdirSync(join(folder, "state")).sort()).toEqual(["current.json", "keys", "keys-read", "trouble"]);
});

test("keys of another secret do not stay for one that can not be read", async () => {
  stored("one");
  await run();
  deployed({ IMAGE_GEN_API_KEY: `${ARN}-other` });
  stored("{");
  expect((await run()).exitCode).toBe(1);
});

test("without a secret of keys nobody is asked", async () => {
  deployed({ HF_TOKEN: "arn:hf" });
  stored("one");
  expect((await run()).exitCode).toBe(0);
  expect(existsSync(join(folder, "aws.calls"))).toBe(false);
});
