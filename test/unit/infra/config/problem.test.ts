import { describe, expect, test } from "vitest";
import { type Fix, imagegenFix, type Origin, wordForPulumi } from "../../../../infra/config/problem.ts";

const P = "Picture-Perfect-Challenge";
const problem = (fix: Fix) => ({ path: `${P}:port`, expected: "a number", got: '"x"', fix });
const set: Fix = { set: "port", value: "8000" };
const unset: Fix = { unset: "port" };
const rename: Fix = { set: "onDestroy", value: "delete", unset: "cacheOnDestroy" };

test.each([
  [set, "pulumi config set port 8000"],
  [{ set: "hubEndpoint", value: "" }, 'pulumi config set hubEndpoint ""'],
  [unset, "pulumi config rm port"],
  [rename, "pulumi config rm cacheOnDestroy && pulumi config set onDestroy delete"],
  [{ text: "git checkout -- x" }, "git checkout -- x"],
] satisfies [Fix, string][])("for Pulumi %j is %s", (fix, command) => {
  expect(wordForPulumi(problem(fix))).toBe(`${P}:port: expected a number, got "x". Fix: ${command}`);
});

describe("for imagegen", () => {
  test.each([
    [set, "local", "flag", "imagegen up --config port=8000"],
    [set, "prod", "kept", "imagegen up --stack prod --config port=8000"],
    [unset, "local", "flag", "remove --config port=…"],
    [unset, "local", "kept", "imagegen up --reset-config"],
    [unset, "prod", "kept", "imagegen up --stack prod --reset-config"],
    [unset, "prod", "file", "remove port from stacks/Pulumi.prod.yaml"],
    [rename, "local", "flag", "replace --config cacheOnDestroy=… by --config onDestroy=delete"],
    [rename, "local", "kept", "imagegen up --reset-config --config onDestroy=delete"],
    [
      rename,
      "local",
      "file",
      "remove cacheOnDestroy from stacks/Pulumi.local.yaml, then imagegen up --config onDestroy=delete",
    ],
    [{ text: "set HF_TOKEN" }, "prod", "file", "set HF_TOKEN"],
    [set, "local", "shell", "unset IMAGE_GEN_X, or imagegen up --config port=8000"],
    [unset, "local", "shell", "unset IMAGE_GEN_X"],
    [{ set: "hostCache", value: "/a b" }, "local", "flag", "imagegen up --config 'hostCache=/a b'"],
  ] satisfies [Fix, string, Origin, string][])("%j in stack %s from %s is %s", (fix, stack, origin, command) => {
    const asked: string[] = [];
    const originOf = (path: string) => {
      asked.push(path);
      return origin;
    };
    const variableOf = () => (origin === "shell" ? "IMAGE_GEN_X" : undefined);
    expect(imagegenFix(fix, { stack, originOf, variableOf })).toBe(command);
    expect(asked.every((path) => path.startsWith(`${P}:`))).toBe(true);
  });
});
