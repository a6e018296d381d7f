/** The host's credentials for a mirror: renewed before their hour is over, in a file that is never half-written. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";

const SCRIPT = join(import.meta.dirname, "../../../../infra/aws/host/files/credentials/mirror-credentials");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-mirror-"));
  mkdirSync(join(folder, "state"));
  cpSync(SCRIPT, join(folder, "mirror-credentials"));
  script("chown", 'echo "chown $*" >>"$0.calls"');
  script("install", 'echo "install $*" >>"$0.calls"; for last; do :; done; mkdir -p "$last"');
  lib("arn:role/mirror");
  granted("ASIAONE");
});
afterEach(() => rmSync(folder, { recursive: true }));

function script(name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}
const lib = (role: string) =>
  script(
    "lib",
    `set -euo pipefail\nstate=${folder}/state IMAGE_GEN_MIRROR_ROLE_ARN=${role} IMAGE_GEN_USER=10001:10001`,
  );
const granted = (key: string) => script("aws", `echo "$*" >>"$0.calls"; printf '${key}\\tsecret\\ttoken\\n'`);
const run = () =>
  execa(join(folder, "mirror-credentials"), { env: { PATH: `${folder}:${process.env.PATH}` }, reject: false });
const file = () => join(folder, "state/mirror/credentials");
const calls = (name: string) =>
  readFileSync(join(folder, `${name}.calls`), "utf8")
    .trimEnd()
    .split("\n");

function age(minutes: number): void {
  const then = Date.now() / 1000 - minutes * 60;
  utimesSync(file(), then, then);
}

test("they are in the format of AWS's tools, for the container's user alone", async () => {
  expect((await run()).exitCode).toBe(0);
  expect(readFileSync(file(), "utf8")).toBe(
    "[default]\naws_access_key_id = ASIAONE\naws_secret_access_key = secret\naws_session_token = token\n",
  );
  expect(calls("install")).toEqual([`install -d -m 0700 -o 10001 ${folder}/state/mirror`]);
  expect(calls("chown")).toEqual([`chown 10001 ${folder}/state/mirror/.new`]);
  expect(calls("aws")[0]).toMatch(/^sts assume-role --role-arn arn:role\/mirror /);
});

test("they are renewed after twenty minutes of their hour, and not before", async () => {
  await run();
  granted("ASIATWO");
  age(19);
  await run();
  expect(readFileSync(file(), "utf8")).toContain("ASIAONE");
  age(21);
  await run();
  expect(readFileSync(file(), "utf8")).toContain("ASIATWO");
  expect(existsSync(join(folder, "state/mirror/.new"))).toBe(false);
});

test("a refusal is one line, and leaves what there was", async () => {
  await run();
  age(21);
  script("aws", "printf 'first\\nAccessDenied: not authorized\\n' >&2; exit 254");
  const { exitCode, stdout } = await run();
  expect([exitCode, stdout]).toEqual([1, "no credentials for the container: AccessDenied: not authorized"]);
  expect(readFileSync(file(), "utf8")).toContain("ASIAONE");
});

test("without a mirror nobody is asked", async () => {
  lib("");
  expect((await run()).exitCode).toBe(0);
  expect(existsSync(join(folder, "aws.calls"))).toBe(false);
});
