import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { describe, expect, test } from "vitest";
import { pathsOf } from "../../../../cli/core/paths.ts";
import { StackFiles } from "../../../../cli/stack/files.ts";
import { awsClientConfig } from "../../../../cli/targets/aws/client/client-config.ts";
import { toCliError, tryLookup } from "../../../../cli/targets/aws/client/errors.ts";
import { classifyHostStatus } from "../../../../cli/targets/aws/host/host-status.ts";
import { LaunchTimeout } from "../../../../cli/targets/aws/stack/launch-timeout.ts";
import { parseState } from "../../../../cli/targets/aws/stack/state.ts";
import { parseHostStatus } from "../../../../infra/readiness/host-status.ts";

const failure = (name: string, message: string, more: object = {}) =>
  Object.assign(new Error(message), { name, ...more });

describe("a failed AWS call", () => {
  test.each<[Error, RegExp]>([
    [
      failure("CredentialsProviderError", "Could not load credentials from any providers"),
      /no AWS credentials were found\. Fix: aws configure sso/,
    ],
    [
      failure("ExpiredTokenException", "The security token included in the request is expired"),
      /expired\. Fix: aws sso login/,
    ],
    [
      failure("InvalidClientTokenId", "The security token is invalid"),
      /AWS rejects the credentials \(InvalidClientTokenId\)/,
    ],
    [
      failure("UnauthorizedOperation", "You are not authorized to perform: ec2:StopInstances on x"),
      /access denied: these credentials lack ec2:StopInstances/,
    ],
    [
      failure("Error", "connect ECONNREFUSED 127.0.0.1:1", { code: "ECONNREFUSED" }),
      /did not respond \(connect ECONNREFUSED/,
    ],
    [
      failure("IncorrectInstanceState", "The instance is not in a state"),
      /The instance is not in a state \(IncorrectInstanceState\)/,
    ],
  ])("%s is one line", (error, text) => {
    const { message } = toCliError(error, "stopping i-1");
    expect(message).toMatch(text);
    expect(message).toMatch(/^stopping i-1: [^\n]+$/);
  });

  test.each<[Error, boolean]>([
    [failure("AccessDeniedException", "no"), true],
    [failure("ThrottlingException", "slow"), true],
    [failure("TimeoutError", "late"), true],
    [failure("InternalFailure", "oops", { $metadata: { httpStatusCode: 500 } }), true],
    [failure("InvalidParameterValue", "bad", { $metadata: { httpStatusCode: 400 } }), false],
  ])("%s is inconclusive: %s", async (error, unknown) => {
    const looked = tryLookup(() => Promise.reject(error));
    if (unknown)
      expect(await looked).toMatchObject({ known: false, reason: { message: expect.any(String) as string } });
    else await expect(looked).rejects.toBe(error);
  });
});

test("the region comes from the stack, else from the environment, else there is one line", () => {
  expect(awsClientConfig("x", { "aws:region": "eu-west-1", "aws:profile": "p" }, { AWS_REGION: "us-east-1" })).toEqual({
    region: "eu-west-1",
    profile: "p",
  });
  expect(awsClientConfig("x", {}, { AWS_REGION: "us-east-1" })).toEqual({ region: "us-east-1" });
  expect(() => awsClientConfig("x", {}, {})).toThrow(
    /^aws:region: expected an AWS region, got nothing\. Fix: imagegen up --config aws:region=us-east-1 --stack x/,
  );
});

test("a stack without a state has the program's default names", () => {
  expect(parseState("prod", null)).toMatchObject({
    instanceId: null,
    volumeId: null,
    parameterPrefix: "/imagegen/prod",
    logGroup: "/imagegen/prod",
    containerName: "image-game-image-gen",
  });
});

describe("the host status", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  const text = (changes: object) =>
    JSON.stringify({ schema: 1, instance: "i-1", at: "2026-11-22T11:59:00Z", phase: "ready", ...changes });
  const judged = (changes: object) => classifyHostStatus(parseHostStatus(text(changes)), { instance: "i-1", now });

  test.each([["not JSON"], ["null"], ['{"schema":2}'], ['{"schema":1,"at":"x"}']])("%s is no status", (value) => {
    expect(parseHostStatus(value)).toBeNull();
  });
  test("is ready only if it is of this host and recent", () => {
    expect(judged({})).toEqual({ kind: "ready" });
    expect(judged({ instance: "i-0" })).toMatchObject({ kind: "no-response" });
    expect(judged({ at: "2026-11-22T11:56:00Z" })).toMatchObject({
      kind: "no-response",
      text: expect.stringContaining("4 min ago") as string,
    });
    expect(judged({ at: "never" })).toMatchObject({ kind: "no-response" });
    expect(classifyHostStatus(null, { instance: "i-1", now })).toMatchObject({ kind: "no-response" });
  });
  test("has the host's reason for a failure or a delay", () => {
    expect(judged({ phase: "failed", error: "no disk" })).toEqual({ kind: "failed", text: "no disk" });
    expect(judged({ phase: "volume", error: "vol-1 is late" })).toEqual({
      kind: "starting",
      text: "volume: vol-1 is late",
    });
  });
});

describe("LaunchTimeout", () => {
  const step = (op: string, type: string): EngineEvent =>
    ({ sequence: 1, timestamp: 1, resourcePreEvent: { metadata: { op, type, urn: type } } }) as unknown as EngineEvent;
  const done = (type: string): EngineEvent =>
    ({
      sequence: 1,
      timestamp: 1,
      resOutputsEvent: { metadata: { op: "create", type, urn: type } },
    }) as unknown as EngineEvent;
  const INSTANCE = "aws:ec2/instance:Instance";
  const later = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

  test("warns, then aborts the run", async () => {
    const lines: string[] = [];
    const watch = new LaunchTimeout((line) => lines.push(line), { warn: 0.02, timeout: 0.06 });
    watch.onEvent(step("create", INSTANCE));
    await later(0.2);
    expect(lines).toHaveLength(1);
    expect([watch.signal.aborted, watch.error?.kind]).toEqual([true, "capacity"]);
  });
  test("ends when the host exists, and ignores other resources", async () => {
    const watch = new LaunchTimeout(() => {}, { warn: 0.02, timeout: 0.06 });
    watch.onEvent(step("create-replacement", INSTANCE));
    watch.onEvent(done(INSTANCE));
    watch.onEvent(step("create", "aws:ec2/vpc:Vpc"));
    watch.onEvent(step("update", INSTANCE));
    await later(0.2);
    expect([watch.signal.aborted, watch.error]).toEqual([false, undefined]);
  });
  test("finds AWS's launch error in error diagnostics only", () => {
    const watch = new LaunchTimeout(() => {});
    const message = (severity: string): EngineEvent =>
      ({
        sequence: 1,
        timestamp: 1,
        diagnosticEvent: { severity, message: "api error VcpuLimitExceeded: x" },
      }) as unknown as EngineEvent;
    watch.onEvent(message("info"));
    expect(watch.error).toBeUndefined();
    watch.onEvent(message("error"));
    expect(watch.error).toEqual({ kind: "quota", code: "VcpuLimitExceeded" });
  });
});

describe("a pin", () => {
  const checkout = (tracked?: string) => {
    const root = mkdtempSync(join(tmpdir(), "imagegen-pin-"));
    mkdirSync(join(root, "stacks"));
    if (tracked !== undefined) writeFileSync(join(root, "stacks/Pulumi.prod.yaml"), tracked);
    return {
      root,
      files: new StackFiles(pathsOf(root), "prod"),
      read: () => readFileSync(join(root, "stacks/Pulumi.prod.yaml"), "utf8"),
    };
  };
  const KEY = "Picture-Perfect-Challenge:pinnedInstanceType";

  test("is written to the tracked file, whose comments stay, and replaces an override", () => {
    const { root, files, read } = checkout("# Ours.\nconfig:\n  aws:region: us-east-1 # near\n");
    files.saveOverrides({ [KEY]: "g6.xlarge", other: "stays" });
    expect(files.pin({ [KEY]: "g5.xlarge" })).toBe(join(root, "stacks/Pulumi.prod.yaml"));
    expect(read()).toBe(`# Ours.\nconfig:\n  aws:region: us-east-1 # near\n  ${KEY}: g5.xlarge\n`);
    expect(files.config()).toEqual({ "aws:region": "us-east-1", [KEY]: "g5.xlarge", other: "stays" });
    rmSync(root, { recursive: true });
  });
  test("becomes an override where there is no tracked file", () => {
    const { root, files } = checkout();
    files.pin({ [KEY]: "g5.xlarge" });
    expect(files.config()).toEqual({ [KEY]: "g5.xlarge" });
    rmSync(root, { recursive: true });
  });
  test("of one run wins over all and is not saved", () => {
    const { root, files } = checkout(`config:\n  ${KEY}: g6.xlarge\n`);
    expect(files.write({}, { [KEY]: "g5.xlarge" })).toEqual({ [KEY]: "g5.xlarge" });
    expect(files.config()).toEqual({ [KEY]: "g6.xlarge" });
    rmSync(root, { recursive: true });
  });
});
