/** A stack that lives for one run: what is refused, and what is asked in which order. The engine suite runs it for real. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CiScripts } from "../../support/ci-scripts.ts";

let scripts: CiScripts;
beforeEach(() => {
  scripts = new CiScripts();
});
afterEach(() => scripts.remove());

const CANARY = { IMAGEGEN_CANARY_STACK: "canary", IMAGEGEN_SECRETS_PROVIDER: "awskms://alias/k" };
const run = (step: string, environment: Readonly<Record<string, string>> = {}) =>
  scripts.run("canary.sh", [step], { ...CANARY, ...environment });

/** A state with these stacks; of other commands `body` is what happens. */
function state(names: readonly string[], body = "true"): void {
  const list = JSON.stringify(
    names.map((name) => ({ name })),
    null,
    1,
  ).replaceAll("\n", " ");
  scripts.command("pulumi", `if [ "$1 $2" = "stack ls" ]; then echo '${list}'; exit; fi\n${body}`);
}
const fails = (command: string) => `[ "$1" != "${command}" ]`;
const changes = () => scripts.calls().filter((call) => !call.startsWith("pulumi stack ls"));

const INIT = "pulumi stack init canary --secrets-provider awskms://alias/k --non-interactive";
const UP = "pulumi up --stack canary --non-interactive --color never --yes --suppress-progress";
const CANCEL = "pulumi cancel --stack canary --non-interactive --color never --yes";
const DESTROY = [
  CANCEL,
  "pulumi destroy --stack canary --non-interactive --color never --yes --suppress-progress",
  "pulumi stack rm canary --yes --non-interactive --preserve-config",
];

test("it is made with the key of the stack ci, and brought up", async () => {
  state(["aws-volume"]);
  expect((await run("up")).exitCode).toBe(0);
  expect(changes()).toEqual([INIT, UP]);
});

test("what an earlier run left is destroyed first, and when that fails nothing is made", async () => {
  state(["aws-volume", "canary"]);
  expect((await run("up")).all).toContain("canary: an earlier run left a stack, which is destroyed first.");
  expect(changes()).toEqual([...DESTROY, INIT, UP]);
  scripts.forget();
  state(["canary"], fails("destroy"));
  expect((await run("up")).exitCode).toBe(1);
  expect(changes()).toEqual(DESTROY.slice(0, 2));
});

test("a lock that a killed update left is taken away before the stack is destroyed", async () => {
  const lock = join(scripts.folder, "lock");
  writeFileSync(lock, "");
  state(["canary"], `case $1 in cancel) rm "${lock}" ;; destroy) [ ! -e "${lock}" ] ;; esac`);
  expect((await run("destroy")).exitCode).toBe(0);
  expect(changes()).toEqual(DESTROY);
});

test("a stack that could not be destroyed is said to cost money, with what removes it", async () => {
  for (const failing of ["destroy", "stack"]) {
    state(["canary"], fails(failing));
    const ended = await run("destroy");
    expect([ended.exitCode, ended.all]).toEqual([
      1,
      "canary: could not be destroyed, and costs money until it is. Fix: run the workflow canary again, which begins with that, or: pulumi destroy --stack canary",
    ]);
  }
});

test("what takes too long is interrupted as by Ctrl-C, so that Pulumi ends by itself", async () => {
  state(
    ["aws-volume"],
    `[ "$1" != up ] || { trap 'kill $!; echo the lock is gone; exit 255' INT; /bin/sleep 30 & wait; }`,
  );
  // One second stands for the script's limit.
  const path = join(scripts.folder, "timeout");
  writeFileSync(
    path,
    `#!/bin/bash\nPATH=\${PATH#*:}\nexec env "PATH=${scripts.folder}:$PATH" "$(command -v timeout)" "$1" "$2" 1s "\${@:4}"\n`,
  );
  chmodSync(path, 0o755);
  const ended = await run("up");
  expect(ended.all).toContain("the lock is gone");
  expect(ended.exitCode).not.toBe(0);
});

test("destroying removes the stack, and is no failure where there is none", async () => {
  state(["canary"]);
  expect((await run("destroy")).exitCode).toBe(0);
  expect(changes()).toEqual(DESTROY);
  scripts.forget();
  state(["canary-2"]);
  expect((await run("destroy")).all).toBe("canary: there is no stack to destroy.");
  expect(changes()).toEqual([]);
});

test.each([
  [{ IMAGEGEN_CANARY_STACK: "" }, "IMAGEGEN_CANARY_STACK: expected a value, got nothing."],
  [
    { IMAGEGEN_CANARY_STACK: "aws-volume" },
    "expected another stack than IMAGEGEN_STACK, got aws-volume, which would be destroyed.",
  ],
  [
    { IMAGEGEN_CANARY_STACK: "aws-baked" },
    "stacks/Pulumi.aws-baked.yaml: expected onDestroy delete, as a canary leaves nothing",
  ],
  [
    { IMAGEGEN_CANARY_STACK: "aws-fleet" },
    "stacks/Pulumi.aws-fleet.yaml: expected target aws, as a canary is one host, got target fleet.",
  ],
  [{ IMAGEGEN_CANARY_STACK: "cannary" }, "stacks/Pulumi.cannary.yaml: expected the canary's config, got no file."],
  [{ PULUMI_BACKEND_URL: "" }, "PULUMI_BACKEND_URL: expected a value, got nothing."],
])("with %j nothing is destroyed or made", async (environment, line) => {
  state(["aws-volume", "aws-baked", "canary"]);
  for (const step of ["up", "destroy"]) {
    const ended = await run(step, environment);
    expect(ended.exitCode).toBe(1);
    expect(ended.all).toContain(line);
  }
  expect(changes()).toEqual([]);
});

test("a state that can't be read is not one without the stack", async () => {
  scripts.command("pulumi", "echo no credentials >&2; exit 255");
  const ended = await run("destroy");
  expect(ended.exitCode).toBe(1);
  expect(ended.all).toContain("the state could not be read. Fix: what is printed above");
});

test.each([
  ["\\x89PNG\\r\\n\\x1a\\n and more", 0],
  ["<html>", 1],
])("the picture is asked of imagegen, and a file %j ends with %i", async (content, exitCode) => {
  state(["canary"]);
  const file = join(scripts.folder, "picture");
  writeFileSync(file, content);
  // Its last argument is the file.
  scripts.command("npm", `printf "$(cat "${file}")" >"\${!#}"`);
  const ended = await run("picture");
  expect(ended.exitCode).toBe(exitCode);
  const [asked = "", ...others] = changes();
  expect(asked).toMatch(
    /^npm run --silent imagegen -- picture a lighthouse in fog --stack canary --seed 7 --output \S+\/picture.png$/,
  );
  expect(others).toEqual([]);
  if (exitCode === 1) expect(ended.all).toContain("The picture: expected a PNG, got another file.");
});

test("another step is refused", async () => {
  state(["canary"]);
  const ended = await run("down");
  expect([ended.exitCode, changes()]).toEqual([2, []]);
});
