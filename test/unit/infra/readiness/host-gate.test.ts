import { describe, expect, test } from "vitest";
import { UserError } from "../../../../infra/errors.ts";
import { checkoutFixes } from "../../../../infra/fixes.ts";
import { checkHost } from "../../../../infra/readiness/host-gate.ts";
import { type ExpectedHost, HostStatusReader, type ParameterResult } from "../../../../infra/readiness/host-status.ts";
import { lineReporter } from "../../../../infra/readiness/progress.ts";
import { awsPlanWith } from "../../../support/aws-settings.ts";

const plan = awsPlanWith().readiness;
const expected = { deployment: "d2", instance: "i-new" };
const FIXES = checkoutFixes("prod");
const START = Date.parse("2026-11-22T12:00:00Z");

const readyBody = { phase: "ready", error: null, model: plan.models[0], device: "cuda:0", source: "volume" };

function status(changes: Record<string, unknown> = {}): ParameterResult {
  const whole = {
    schema: 1,
    deployment: "d2",
    instance: "i-new",
    at: "2026-11-22T12:00:00Z",
    phase: "ready",
    ready: readyBody,
    error: null,
    log: ["one", "two"],
  };
  return { kind: "value", text: JSON.stringify({ ...whole, ...changes }) };
}

/** A parameter with one value after the other, and then the last for ever; a second passes with each read. */
function fakeHost(...answers: ParameterResult[]) {
  let seconds = 0;
  let reads = 0;
  const said: string[] = [];
  const deps = {
    readParameter: async (name: string) => {
      expect(name).toBe("/imagegen/prod/ready");
      reads++;
      return answers[Math.min(reads, answers.length) - 1] ?? { kind: "none", reason: "nothing" };
    },
    now: () => seconds,
    date: () => START + seconds * 1000,
    sleep: async (pause: number) => {
      seconds += pause;
    },
    onProgress: lineReporter((line) => void said.push(line)),
  } as const;
  return { deps, said, seconds: () => seconds, reads: () => reads };
}

async function failureOf(answers: ParameterResult[], who: ExpectedHost = expected) {
  const made = fakeHost(...answers);
  const error = await checkHost(plan, who, made.deps, FIXES).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return { message: (error as UserError).message, seconds: made.seconds() };
}

test("a fresh status of this host and this deployment opens the gate at once, and every update reads it again", async () => {
  for (let update = 1; update <= 2; update++) {
    const made = fakeHost(status());
    await checkHost(plan, expected, made.deps, FIXES);
    expect(made.reads()).toBe(1);
  }
});

test("phases of the host are shown until the service speaks for itself", async () => {
  const fetching = { phase: "fetching", error: null, model: plan.models[0], bytes_done: 1e9, bytes_total: 10e9 };
  const made = fakeHost(
    { kind: "none", reason: "the host has written nothing yet" },
    status({ deployment: null, phase: "booting", ready: null }),
    status({ phase: "pulling", ready: null }),
    status({ phase: "fetching", ready: fetching }),
    status(),
  );
  await checkHost(plan, expected, made.deps, FIXES);
  expect(made.said).toEqual([
    "waiting for a response (0 s)",
    "starting (1 s)",
    "pulling (2 s)",
    `fetching ${plan.models[0]} · 1 GB of 10 GB (3 s)`,
  ]);
});

describe("not ready is", () => {
  test("the status of the replaced host", async () => {
    const { message, seconds } = await failureOf([status({ instance: "i-old" })]);
    expect(message).toContain(
      "i-new is not ready: no response (i-new has not written its status yet; the last one is of i-old)",
    );
    expect(seconds).toBe(900);
  });

  test("a status of another deployment", async () => {
    const { message } = await failureOf([status({ deployment: "d1" }), ...heartbeats({ deployment: "d1" })]);
    expect(message).toMatch(
      /^i-new is not ready: still starting after 40 min 32 s \(NOT_READY_IN_TIME\); .*readyTimeoutSeconds/,
    );
  });

  test("a stale status", async () => {
    const { message } = await failureOf([status({ at: "2026-11-22T11:00:00Z" })]);
    expect(message).toContain("the last heartbeat of i-new was at 2026-11-22T11:00:00Z");
  });

  test("a host whose heartbeats stop", async () => {
    const { message } = await failureOf([status({ phase: "pulling", ready: null })]);
    expect(message).toContain("the last heartbeat of i-new was at 2026-11-22T12:00:00Z");
  });

  test("a service with another model", async () => {
    const { message } = await failureOf([status({ ready: { ...readyBody, model: "org/other" } })]);
    expect(message).toContain("an image-gen with model org/other answers there");
  });

  test("a phase ready without the body of /readyz", async () => {
    const { message } = await failureOf([status({ ready: null }), ...heartbeats({ ready: null })]);
    expect(message).toMatch(/^i-new is not ready: still ready on its device after/);
  });
});

/** A host that continues to write, a minute apart, for an hour. */
function heartbeats(changes: Record<string, unknown>): ParameterResult[] {
  return Array.from({ length: 3600 }, (_, index) => {
    const at = new Date(START + Math.floor(index / 60) * 60_000).toISOString();
    return status({ ...changes, at });
  });
}

describe("a failure", () => {
  test("of the service that is not retryable ends the wait at once, with its message and the end of the log", async () => {
    const error = { code: "GATED_MODEL", message: "Accept the licence.", retryable: false };
    const { message, seconds } = await failureOf([
      status({ phase: "failed", ready: { phase: "failed", model: plan.models[0], error } }),
    ]);
    expect(message).toBe(
      "i-new is not ready: Accept the licence (GATED_MODEL). Fix: imagegen logs --stack prod, imagegen doctor --stack prod. The end of its log:\n  one\n  two",
    );
    expect(seconds).toBe(0);
  });

  test("of the host itself may last longer: the host retries", async () => {
    const failed = status({ phase: "failed", ready: null, error: "the image can not be pulled" });
    const { message, seconds } = await failureOf([failed]);
    expect(message).toContain("i-new is not ready: the image can not be pulled (HOST_FAILED). Fix:");
    expect(seconds).toBe(plan.hostErrorTimeoutSeconds);
    const recovered = fakeHost(failed, failed, status({ phase: "loading", ready: null }), status());
    await checkHost(plan, expected, recovered.deps, FIXES);
    expect(recovered.seconds()).toBe(3);
  });

  test("of a host that has not read this deployment yet is reported too", async () => {
    const { message } = await failureOf([status({ deployment: null, phase: "failed", ready: null, error: "no disk" })]);
    expect(message).toContain("no disk (HOST_FAILED)");
  });

  test("written before the host was started does not count", async () => {
    const { message } = await failureOf([status({ at: "2026-11-22T11:59:00Z" })], { ...expected, since: START });
    expect(message).toContain("no response (i-new has not written its status since its start)");
  });

  test("to read the parameter ends it at once", async () => {
    const { message, seconds } = await failureOf([{ kind: "denied", reason: "not authorized" }]);
    expect(message).toContain("i-new is not ready: not authorized (ACCESS_DENIED)");
    expect(seconds).toBe(0);
  });

  test("of a self-healing group's host names no instance", async () => {
    const { message } = await failureOf([{ kind: "none", reason: "nothing yet" }], {
      deployment: "d2",
      instance: null,
    });
    expect(message).toMatch(/^the host is not ready: no response \(nothing yet\)/);
  });
});

describe("freshness", () => {
  test.each([
    [0, "response"],
    [170, "response"],
    [-170, "response"],
    [181, "no-response"],
    [-3600, "no-response"],
  ])("a first record %d s off this clock is %s", (off, kind) => {
    const clock = { now: () => 0, date: () => START + off * 1000 };
    expect(new HostStatusReader(expected, plan.heartbeatTimeoutSeconds, clock).read(status()).kind).toBe(kind);
  });

  test("with a clock that goes wrong, a record that changes is a host that lives, for a while", () => {
    let seconds = 0;
    const clock = { now: () => seconds, date: () => START + 86_400_000 };
    const whole = new HostStatusReader(expected, plan.heartbeatTimeoutSeconds, clock);
    expect(whole.read(status()).kind).toBe("no-response");
    seconds = 60;
    expect(whole.read(status({ at: "2026-11-22T12:01:00Z" })).kind).toBe("response");
    seconds = 200;
    expect(whole.read(status({ at: "2026-11-22T12:01:00Z" })).kind).toBe("response");
    seconds = 241;
    expect(whole.read(status({ at: "2026-11-22T12:01:00Z" })).kind).toBe("no-response");
  });
});

test.each([
  ["", "not JSON"],
  ["null", "null"],
  ['{"schema":2,"phase":"ready"}', "another schema"],
  ['{"schema":1,"phase":"ready"}', "no instance"],
])("%j (%s) is no record", (text) => {
  const clock = { now: () => 0, date: () => START };
  expect(new HostStatusReader(expected, plan.heartbeatTimeoutSeconds, clock).read({ kind: "value", text })).toEqual({
    kind: "no-response",
    reason: "the host's status can't be read",
  });
});
