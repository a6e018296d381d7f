import { describe, expect, test } from "vitest";
import { UserError } from "../../../../infra/errors.ts";
import { checkHost } from "../../../../infra/readiness/host-gate.ts";
import { HostWitness, type ParameterAnswer } from "../../../../infra/readiness/host-status-reader.ts";
import { awsPlanWith } from "../../../support/aws-settings.ts";

const plan = awsPlanWith().health;
const expected = { deployment: "d2", instance: "i-new" };
const START = Date.parse("2026-11-22T12:00:00Z");

const readyBody = { phase: "ready", error: null, model: plan.models[0], device: "cuda:0", source: "volume" };

function record(changes: Record<string, unknown> = {}): ParameterAnswer {
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

/** A world in which the parameter says one thing after the other, and then the last for ever. */
function worldOf(...answers: ParameterAnswer[]) {
  let seconds = 0;
  let reads = 0;
  const said: string[] = [];
  const world = {
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
    report: (line: string) => void said.push(line),
  } as const;
  return { world, said, seconds: () => seconds, reads: () => reads };
}

async function failureOf(answers: ParameterAnswer[], who = expected) {
  const made = worldOf(...answers);
  const error = await checkHost(plan, who, made.world).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return { message: (error as UserError).message, seconds: made.seconds() };
}

test("a fresh record of this host and this deployment opens it at once, and it is asked each time anew", async () => {
  for (let update = 1; update <= 2; update++) {
    const made = worldOf(record());
    await checkHost(plan, expected, made.world);
    expect(made.reads()).toBe(1);
  }
});

test("phases of the host are shown until the service speaks for itself", async () => {
  const fetching = { phase: "fetching", error: null, model: plan.models[0], bytes_done: 1e9, bytes_total: 10e9 };
  const made = worldOf(
    { kind: "none", reason: "the host has written nothing yet" },
    record({ deployment: null, phase: "booting", ready: null }),
    record({ phase: "pulling", ready: null }),
    record({ phase: "fetching", ready: fetching }),
    record(),
  );
  await checkHost(plan, expected, made.world);
  expect(made.said).toEqual([
    "waiting for the service to answer (0 s)",
    "starting (5 s)",
    "pulling (10 s)",
    "fetching: 1 GB of 10 GB (15 s)",
  ]);
});

describe("what does not open it", () => {
  test("the record of the host before this one", async () => {
    const { message, seconds } = await failureOf([record({ instance: "i-old" })]);
    expect(message).toContain(
      "i-new is not ready: nothing answers (i-new has not written a record yet; i-old was before it)",
    );
    expect(seconds).toBe(900);
  });

  test("a record of another deployment", async () => {
    const { message } = await failureOf([record({ deployment: "d1" }), ...heartbeats({ deployment: "d1" })]);
    expect(message).toMatch(/^i-new is not ready: still starting after 40 min 45 s\./);
  });

  test("a past success of a host that is silent since", async () => {
    const { message } = await failureOf([record({ at: "2026-11-22T11:00:00Z" })]);
    expect(message).toContain("i-new is silent since 2026-11-22T11:00:00Z");
  });

  test("a host that falls silent while it is watched", async () => {
    const { message } = await failureOf([record({ phase: "pulling", ready: null })]);
    expect(message).toContain("i-new is silent since 2026-11-22T12:00:00Z");
  });

  test("another model", async () => {
    const { message } = await failureOf([record({ ready: { ...readyBody, model: "org/other" } })]);
    expect(message).toContain("an image-gen with model org/other answers there");
  });

  test("a record that says ready without the service saying so", async () => {
    const { message } = await failureOf([record({ ready: null }), ...heartbeats({ ready: null })]);
    expect(message).toMatch(/^i-new is not ready: still ready after/);
  });
});

/** A host that goes on writing, a minute apart, for an hour. */
function heartbeats(changes: Record<string, unknown>): ParameterAnswer[] {
  return Array.from({ length: 900 }, (_, index) => {
    const at = new Date(START + Math.floor((index * 5) / 60) * 60_000).toISOString();
    return record({ ...changes, at });
  });
}

describe("a failure", () => {
  test("of the service that time won't mend ends it at once, with its words and the log's last lines", async () => {
    const error = { code: "GATED_MODEL", message: "Accept the licence.", retryable: false };
    const { message, seconds } = await failureOf([
      record({ phase: "failed", ready: { phase: "failed", model: plan.models[0], error } }),
    ]);
    expect(message).toBe(
      "i-new is not ready: Accept the licence (GATED_MODEL). Fix: imagegen logs, imagegen doctor. Its last words:\n  one\n  two",
    );
    expect(seconds).toBe(0);
  });

  test("of the host itself is watched for a while: it goes on trying", async () => {
    const failed = record({ phase: "failed", ready: null, error: "the image can not be pulled" });
    const { message, seconds } = await failureOf([failed]);
    expect(message).toContain("i-new is not ready: the image can not be pulled (HOST_FAILED). Fix:");
    expect(seconds).toBe(plan.patienceSeconds);
    const mended = worldOf(failed, failed, record({ phase: "loading", ready: null }), record());
    await checkHost(plan, expected, mended.world);
    expect(mended.seconds()).toBe(15);
  });

  test("of the host that never learnt of this deployment is told too", async () => {
    const { message } = await failureOf([record({ deployment: null, phase: "failed", ready: null, error: "no disk" })]);
    expect(message).toContain("no disk (HOST_FAILED)");
  });

  test("to read the parameter ends it at once", async () => {
    const { message, seconds } = await failureOf([{ kind: "refused", reason: "not authorized" }]);
    expect(message).toContain("i-new is not ready: not authorized (NO_ACCESS)");
    expect(seconds).toBe(0);
  });

  test("of a group's host is the group's", async () => {
    const { message } = await failureOf([{ kind: "none", reason: "nothing yet" }], {
      deployment: "d2",
      instance: null,
    } as never);
    expect(message).toMatch(/^the host is not ready: nothing answers \(nothing yet\)/);
  });
});

describe("freshness", () => {
  test.each([
    [0, "http"],
    [170, "http"],
    [-170, "http"],
    [181, "none"],
    [-3600, "none"],
  ])("a first record %d s off this clock is %s", (off, kind) => {
    const clock = { now: () => 0, date: () => START + off * 1000 };
    expect(new HostWitness(expected, plan, clock).hear(record()).kind).toBe(kind);
  });

  test("with a clock that goes wrong, a record that changes is a host that lives, for a while", () => {
    let seconds = 0;
    const clock = { now: () => seconds, date: () => START + 86_400_000 };
    const whole = new HostWitness(expected, plan, clock);
    expect(whole.hear(record()).kind).toBe("none");
    seconds = 60;
    expect(whole.hear(record({ at: "2026-11-22T12:01:00Z" })).kind).toBe("http");
    seconds = 200;
    expect(whole.hear(record({ at: "2026-11-22T12:01:00Z" })).kind).toBe("http");
    seconds = 241;
    expect(whole.hear(record({ at: "2026-11-22T12:01:00Z" })).kind).toBe("none");
  });
});

test.each([
  ["", "not JSON"],
  ["null", "null"],
  ['{"schema":2,"phase":"ready"}', "another schema"],
  ['{"schema":1,"phase":"ready"}', "no instance"],
])("%j (%s) is no record", (text) => {
  const clock = { now: () => 0, date: () => START };
  expect(new HostWitness(expected, plan, clock).hear({ kind: "value", text })).toEqual({
    kind: "none",
    reason: "the host's record can't be read",
  });
});
