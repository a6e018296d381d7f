import { expect, test } from "vitest";
import type { ReadinessPlan } from "../../../../infra/plan/readiness.ts";
import { waitUntilReady } from "../../../../infra/readiness/poller.ts";
import type { ProbeResult } from "../../../../infra/readiness/probe-result.ts";
import { lineReporter } from "../../../../infra/readiness/progress.ts";
import { otherService, refused, response } from "./results.ts";

const plan: ReadinessPlan = {
  url: "http://service",
  readyUrl: "http://service/readyz",
  models: ["org/model"],
  device: "cpu",
  readyTimeoutSeconds: 600,
  pollSeconds: 1,
  noResponseTimeoutSeconds: 90,
  retryableErrorTimeoutSeconds: 30,
};

const ready = response({ status: 200, phase: "ready" });
const missing = { code: "MODEL_NOT_FOUND", message: "org/model is not on the hub.", retryable: false };
const offline = { code: "HUB_UNREACHABLE", message: "the hub does not answer", retryable: true };

/** A wait in which the service says `script(second)`; time passes only while the wait sleeps. */
async function wait(script: (second: number) => ProbeResult, changes: Partial<ReadinessPlan> = {}) {
  let second = 0;
  const lines: string[] = [];
  const asked: string[] = [];
  const outcome = await waitUntilReady(
    { ...plan, ...changes },
    {
      probe: async (url) => {
        asked.push(url);
        return script(second);
      },
      now: () => second,
      sleep: async (seconds) => {
        second += seconds;
      },
      onProgress: lineReporter((line) => lines.push(line)),
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
    if (now < 20)
      return response({ phase: "fetching", bytes_done: now * 1e6, bytes_total: 20e6, eta_seconds: 20 - now });
    return now < 25 ? response({ phase: "loading", bytes_done: 20e6, bytes_total: 20e6 }) : ready;
  });
  expect(outcome.ready).toBe(true);
  expect(second).toBe(25);
  expect(lines).toEqual([
    "waiting for a response (0 s)",
    "fetching org/model · 2 MB of 20 MB · 18 s left (2 s)",
    "fetching org/model · 7 MB of 20 MB · 13 s left (7 s)",
    "fetching org/model · 12 MB of 20 MB · 8 s left (12 s)",
    "fetching org/model · 17 MB of 20 MB · 3 s left (17 s)",
    "loading the model to cpu (20 s)",
  ]);
});

test("an error that is not retryable ends the wait at once", async () => {
  const { outcome, second } = await wait(() => response({ phase: "failed", error: missing }));
  expect(outcome).toEqual({
    ready: false,
    code: "MODEL_NOT_FOUND",
    message: "org/model is not on the hub.",
    fix: null,
  });
  expect(second).toBe(0);
});

test("a retryable error ends the wait after its timeout", async () => {
  const { outcome, second, lines } = await wait(() => response({ phase: "failed", error: offline }));
  expect(outcome).toMatchObject({ ready: false, code: "HUB_UNREACHABLE", message: "the hub does not answer" });
  expect(second).toBe(30);
  expect(lines[0]).toBe("the hub does not answer; the service retries (0 s)");
});

test("a retryable error that passes in time is forgotten", async () => {
  const { outcome } = await wait((now) => (now < 29 ? response({ phase: "failed", error: offline }) : ready));
  expect(outcome.ready).toBe(true);
});

test("a retry without progress does not end a retryable error", async () => {
  const { outcome, second } = await wait((now) =>
    now % 5 === 0 ? response({ phase: "fetching", bytes_total: 10 }) : response({ phase: "failed", error: offline }),
  );
  expect(outcome.ready).toBe(false);
  expect(second).toBeLessThanOrEqual(32);
});

test("new bytes between errors end a retryable error", async () => {
  const { outcome, second } = await wait((now) =>
    now >= 200
      ? ready
      : response({ phase: "fetching", bytes_done: now, bytes_total: 300, error: now % 20 ? offline : null }),
  );
  expect(outcome.ready).toBe(true);
  expect(second).toBe(200);
});

test("a container that never answers ends the wait long before the time-out", async () => {
  const { outcome, second } = await wait(() => refused);
  expect(outcome).toEqual({ ready: false, code: "NO_RESPONSE", message: "no response (ECONNREFUSED)", fix: null });
  expect(second).toBe(90);
});

test("a container that stops responding gets as long again", async () => {
  const { outcome, second } = await wait((now) => (now === 50 ? response({ phase: "loading" }) : refused));
  expect(outcome).toMatchObject({ ready: false, code: "NO_RESPONSE" });
  expect(second).toBe(51 + 90);
});

test("a phase past the download ends a retryable error", async () => {
  const { outcome, second } = await wait((now) => {
    if (now < 25) return response({ phase: "failed", error: offline });
    if (now === 25) return response({ phase: "loading" });
    return now < 50 ? response({ phase: "failed", error: offline }) : ready;
  });
  expect(outcome.ready).toBe(true);
  expect(second).toBe(50);
});

test("another service on the port is recognised, after a moment for the old container to go", async () => {
  const { outcome, second } = await wait(() => otherService());
  expect(outcome).toEqual({
    ready: false,
    code: "UNEXPECTED_SERVICE",
    message: "another service answers there (HTTP 200)",
    fix: null,
  });
  expect(second).toBe(10);
});

test("a download that is too slow ends the wait in time, with the setting that allows more", async () => {
  const { outcome, second } = await wait(
    (now) => response({ phase: "fetching", bytes_done: now, bytes_total: 1e9, eta_seconds: 9e5 }),
    { readyTimeoutSeconds: 60 },
  );
  expect(second).toBe(60);
  expect(outcome).toEqual({
    ready: false,
    code: "NOT_READY_IN_TIME",
    message: "still fetching org/model · 60 B of 1 GB · 250 h left after 1 min",
    fix: { set: "readyTimeoutSeconds", value: "120" },
  });
});

test("a time-out shorter than the one without a response ends the wait as NO_RESPONSE", async () => {
  const { outcome, second } = await wait(() => refused, { readyTimeoutSeconds: 3 });
  expect(outcome).toMatchObject({ code: "NO_RESPONSE" });
  expect(second).toBe(3);
});
