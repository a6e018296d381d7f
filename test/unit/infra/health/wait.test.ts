import { expect, test } from "vitest";
import type { HealthPlan } from "../../../../infra/plan/readiness.ts";
import type { Outcome } from "../../../../infra/readiness/outcome.ts";
import { waitUntilReady } from "../../../../infra/readiness/poller.ts";
import type { Answer } from "../../../../infra/readiness/probe-result.ts";
import { answer, refused } from "./answers.ts";

const plan: HealthPlan = {
  url: "http://service",
  readyUrl: "http://service/readyz",
  models: ["org/model"],
  device: "cpu",
  budgetSeconds: 600,
  pollSeconds: 1,
  silenceSeconds: 90,
  patienceSeconds: 30,
};

const ready = answer({ status: 200, phase: "ready" });
const missing = { code: "MODEL_NOT_FOUND", message: "org/model is not on the hub.", retryable: false };
const offline = { code: "HUB_UNREACHABLE", message: "the hub does not answer", retryable: true };

/** A wait in which the service says `script(second)`; time passes only while the wait sleeps. */
async function wait(script: (second: number) => Answer, changes: Partial<HealthPlan> = {}) {
  let second = 0;
  const lines: string[] = [];
  const asked: string[] = [];
  const outcome: Outcome = await waitUntilReady(
    { ...plan, ...changes },
    {
      ask: async (url) => {
        asked.push(url);
        return script(second);
      },
      now: () => second,
      sleep: async (seconds) => {
        second += seconds;
      },
      report: (line) => lines.push(line),
    },
  );
  return { outcome, second, lines, asked };
}

test("a ready service is asked once", async () => {
  const { outcome, asked } = await wait(() => ready);
  expect(outcome).toMatchObject({ ready: true, state: { model: "org/model", device: "cpu" } });
  expect(asked).toEqual(["http://service/readyz"]);
});

test("a start is followed until it is ready", async () => {
  const { outcome, second, lines } = await wait((now) => {
    if (now < 2) return refused;
    if (now < 20) return answer({ phase: "fetching", bytes_done: now * 1e6, bytes_total: 20e6, eta_seconds: 20 - now });
    return now < 25 ? answer({ phase: "loading", bytes_done: 20e6, bytes_total: 20e6 }) : ready;
  });
  expect(outcome.ready).toBe(true);
  expect(second).toBe(25);
  expect(lines).toEqual([
    "waiting for the service to answer (0 s)",
    "fetching: 2 MB of 20 MB, about 18 s left (2 s)",
    "fetching: 7 MB of 20 MB, about 13 s left (7 s)",
    "fetching: 12 MB of 20 MB, about 8 s left (12 s)",
    "fetching: 17 MB of 20 MB, about 3 s left (17 s)",
    "loading (20 s)",
  ]);
});

test("an error that time won't mend ends the wait at once", async () => {
  const { outcome, second } = await wait(() => answer({ phase: "failed", error: missing }));
  expect(outcome).toEqual({ ready: false, silent: false, reason: "org/model is not on the hub (MODEL_NOT_FOUND)" });
  expect(second).toBe(0);
});

test("an error that may pass is watched for a while", async () => {
  const { outcome, second, lines } = await wait(() => answer({ phase: "failed", error: offline }));
  expect(outcome).toMatchObject({ ready: false, reason: "the hub does not answer (HUB_UNREACHABLE)" });
  expect(second).toBe(30);
  expect(lines[0]).toBe("the hub does not answer; the service tries again (0 s)");
});

test("one that does pass is forgotten", async () => {
  const { outcome } = await wait((now) => (now < 29 ? answer({ phase: "failed", error: offline }) : ready));
  expect(outcome.ready).toBe(true);
});

test("a retry without progress does not start the watch anew", async () => {
  const { outcome, second } = await wait((now) =>
    now % 5 === 0 ? answer({ phase: "fetching", bytes_total: 10 }) : answer({ phase: "failed", error: offline }),
  );
  expect(outcome.ready).toBe(false);
  expect(second).toBeLessThanOrEqual(32);
});

test("bytes that arrive between errors do", async () => {
  const { outcome, second } = await wait((now) =>
    now >= 200
      ? ready
      : answer({ phase: "fetching", bytes_done: now, bytes_total: 300, error: now % 20 ? offline : null }),
  );
  expect(outcome.ready).toBe(true);
  expect(second).toBe(200);
});

test("a container that never answers ends the wait long before the budget", async () => {
  const { outcome, second } = await wait(() => refused);
  expect(outcome).toEqual({ ready: false, silent: true, reason: "nothing answers (ECONNREFUSED)" });
  expect(second).toBe(90);
});

test("one that answered and fell silent gets as long again", async () => {
  const { outcome, second } = await wait((now) => (now === 50 ? answer({ phase: "loading" }) : refused));
  expect(outcome).toMatchObject({ ready: false, silent: true });
  expect(second).toBe(51 + 90);
});

test("another service on the port is recognised, after a moment for the old container to go", async () => {
  const { outcome, second } = await wait(() => ({ kind: "http", status: 200, body: "<html>" }));
  expect(outcome).toEqual({ ready: false, silent: false, reason: "another service answers there (HTTP 200)" });
  expect(second).toBe(10);
});

test("the budget ends a download that is too slow, and says how to allow more", async () => {
  const { outcome, second } = await wait(
    (now) => answer({ phase: "fetching", bytes_done: now, bytes_total: 1e9, eta_seconds: 9e5 }),
    { budgetSeconds: 60 },
  );
  expect(second).toBe(60);
  expect(outcome).toEqual({
    ready: false,
    silent: false,
    reason:
      "still fetching: 60 B of 1 GB, about 250 h left after 1 min. " +
      "If that is progress, allow more time: pulumi config set readyTimeoutSeconds 120",
  });
});

test("a budget shorter than the silence ends it as silence", async () => {
  const { outcome, second } = await wait(() => refused, { budgetSeconds: 3 });
  expect(outcome).toMatchObject({ silent: true });
  expect(second).toBe(3);
});
