import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { describe, expect, test } from "vitest";
import { pathsOf } from "../../../../cli/core/paths.ts";
import { StackFiles } from "../../../../cli/stack/files.ts";
import { accessOf } from "../../../../cli/targets/aws/client/client-config.ts";
import { explainAws, ifKnown } from "../../../../cli/targets/aws/client/errors.ts";
import { judgeRecord } from "../../../../cli/targets/aws/host/host-status.ts";
import { LaunchWatch } from "../../../../cli/targets/aws/stack/launch-timeout.ts";
import { parseOutputs } from "../../../../cli/targets/aws/stack/outputs.ts";
import { parseHostStatus } from "../../../../infra/readiness/host-status.ts";

const failure = (name: string, message: string, more: object = {}) =>
  Object.assign(new Error(message), { name, ...more });

describe("what AWS did not do", () => {
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
      /does not accept the credentials \(InvalidClientTokenId\)/,
    ],
    [
      failure("UnauthorizedOperation", "You are not authorized to perform: ec2:StopInstances on x"),
      /does not allow it .*\(ec2:StopInstances\)/,
    ],
    [
      failure("Error", "connect ECONNREFUSED 127.0.0.1:1", { code: "ECONNREFUSED" }),
      /did not answer \(connect ECONNREFUSED/,
    ],
    [
      failure("IncorrectInstanceState", "The instance is not in a state"),
      /The instance is not in a state \(IncorrectInstanceState\)/,
    ],
  ])("%s is one line", (error, text) => {
    const { message } = explainAws(error, "stopping i-1");
    expect(message).toMatch(text);
    expect(message).toMatch(/^stopping i-1: [^\n]+$/);
  });

  test.each<[Error, boolean]>([
    [failure("AccessDeniedException", "no"), true],
    [failure("ThrottlingException", "slow"), true],
    [failure("TimeoutError", "late"), true],
    [failure("InternalFailure", "oops", { $metadata: { httpStatusCode: 500 } }), true],
    [failure("InvalidParameterValue", "bad", { $metadata: { httpStatusCode: 400 } }), false],
  ])("%s leaves it unknown: %s", async (error, unknown) => {
    const looked = ifKnown(() => Promise.reject(error));
    if (unknown) expect(await looked).toMatchObject({ known: false, why: expect.any(String) as string });
    else await expect(looked).rejects.toBe(error);
  });
});

test("the region comes from the stack, else from the environment, else there is one line", () => {
  expect(accessOf("x", { "aws:region": "eu-west-1", "aws:profile": "p" }, { AWS_REGION: "us-east-1" })).toEqual({
    region: "eu-west-1",
    profile: "p",
  });
  expect(accessOf("x", {}, { AWS_REGION: "us-east-1" })).toEqual({ region: "us-east-1" });
  expect(() => accessOf("x", {}, {})).toThrow(
    /^aws:region: expected an AWS region, got nothing\. Fix: imagegen up --stack x/,
  );
});

test("a stack without outputs has the names that the program gives", () => {
  expect(parseOutputs("prod", { instanceId: null })).toMatchObject({
    instanceId: null,
    volumeId: null,
    parameterPrefix: "/imagegen/prod",
    logGroup: "/imagegen/prod",
    containerName: "image-game-image-gen",
  });
});

describe("the host's report", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  const text = (changes: object) =>
    JSON.stringify({ schema: 1, instance: "i-1", at: "2026-11-22T11:59:00Z", phase: "ready", ...changes });
  const judged = (changes: object, since = 0) =>
    judgeRecord(parseHostStatus(text(changes)), { instance: "i-1", now, since });

  test.each([["not JSON"], ["null"], ['{"schema":2}'], ['{"schema":1,"at":"x"}']])("%s is none", (value) => {
    expect(parseHostStatus(value)).toBeNull();
  });
  test("counts when it is this host's, fresh, and newer than its start", () => {
    expect(judged({})).toEqual({ kind: "ready" });
    expect(judged({}, now)).toMatchObject({
      kind: "silent",
      text: expect.stringContaining("since it was started") as string,
    });
    expect(judged({ instance: "i-0" })).toMatchObject({ kind: "silent" });
    expect(judged({ at: "2026-11-22T11:56:00Z" })).toMatchObject({
      kind: "silent",
      text: expect.stringContaining("for 4 min") as string,
    });
    expect(judged({ at: "never" })).toMatchObject({ kind: "silent" });
    expect(judgeRecord(null, { instance: "i-1", now })).toMatchObject({ kind: "silent" });
  });
  test("has its reason in it", () => {
    expect(judged({ phase: "failed", error: "no disk" })).toEqual({ kind: "failed", text: "no disk" });
    expect(judged({ phase: "volume", error: "vol-1 is late" })).toEqual({
      kind: "working",
      text: "volume: vol-1 is late",
    });
  });
});

describe("waiting for a host", () => {
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

  test("is told, and given up", async () => {
    const lines: string[] = [];
    const watch = new LaunchWatch((line) => lines.push(line), { tell: 0.02, giveUp: 0.06 });
    watch.onEvent(step("create", INSTANCE));
    await later(0.2);
    expect(lines).toHaveLength(1);
    expect([watch.signal.aborted, watch.refusal?.kind]).toEqual([true, "silence"]);
  });
  test("ends with the host; other resources may take their time", async () => {
    const watch = new LaunchWatch(() => {}, { tell: 0.02, giveUp: 0.06 });
    watch.onEvent(step("create-replacement", INSTANCE));
    watch.onEvent(done(INSTANCE));
    watch.onEvent(step("create", "aws:ec2/vpc:Vpc"));
    watch.onEvent(step("update", INSTANCE));
    await later(0.2);
    expect([watch.signal.aborted, watch.refusal]).toEqual([false, undefined]);
  });
  test("knows AWS's refusal in an error, and nowhere else", () => {
    const watch = new LaunchWatch(() => {});
    const message = (severity: string): EngineEvent =>
      ({
        sequence: 1,
        timestamp: 1,
        diagnosticEvent: { severity, message: "api error VcpuLimitExceeded: x" },
      }) as unknown as EngineEvent;
    watch.onEvent(message("info"));
    expect(watch.refusal).toBeUndefined();
    watch.onEvent(message("error"));
    expect(watch.refusal).toEqual({ kind: "quota", code: "VcpuLimitExceeded" });
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
  const KEY = "Picture-Perfect-Challenge:instanceType";

  test("goes into the tracked file, beside its comments, and stands over what was kept", () => {
    const { root, files, read } = checkout("# Ours.\nconfig:\n  aws:region: us-east-1 # near\n");
    files.keep({ [KEY]: "g6.xlarge", other: "stays" });
    expect(files.pin({ [KEY]: "g5.xlarge" })).toBe(join(root, "stacks/Pulumi.prod.yaml"));
    expect(read()).toBe(`# Ours.\nconfig:\n  aws:region: us-east-1 # near\n  ${KEY}: g5.xlarge\n`);
    expect(files.config()).toEqual({ "aws:region": "us-east-1", [KEY]: "g5.xlarge", other: "stays" });
    rmSync(root, { recursive: true });
  });
  test("is kept where there is no tracked file", () => {
    const { root, files } = checkout();
    files.pin({ [KEY]: "g5.xlarge" });
    expect(files.config()).toEqual({ [KEY]: "g5.xlarge" });
    rmSync(root, { recursive: true });
  });
  test("what one run asks for stands over all, and is not kept", () => {
    const { root, files } = checkout(`config:\n  ${KEY}: g6.xlarge\n`);
    expect(files.write({}, { [KEY]: "g5.xlarge" })).toEqual({ [KEY]: "g5.xlarge" });
    expect(files.config()).toEqual({ [KEY]: "g6.xlarge" });
    rmSync(root, { recursive: true });
  });
});
