import { expect, test } from "vitest";
import { classify } from "../../../../infra/readiness/poller.ts";
import { parseReadyState } from "../../../../infra/readiness/probe-result.ts";
import { describePending, describeState } from "../../../../infra/readiness/progress.ts";
import { body, otherService, response } from "./results.ts";

const plan = { models: ["org/model", "alias/model"] };

test.each([
  ["ready", response({ status: 200, phase: "ready" }), "ready"],
  ["ready under another name", response({ status: 200, phase: "ready", model: "alias/model" }), "ready"],
  ["200 in another phase", response({ status: 200, phase: "loading" }), "starting"],
  ["503 in phase ready", response({ status: 503, phase: "ready" }), "starting"],
  ["starting without a model yet", response({ phase: "starting", model: null }), "starting"],
  ["an error", response({ phase: "failed", error: { code: "X", message: "y", retryable: true } }), "error"],
  ["another model", response({ status: 200, phase: "ready", model: "org/other" }), "unexpected-service"],
  ["no response", { kind: "no-response", reason: "ECONNREFUSED" } as const, "no-response"],
  ["a page", otherService(), "unexpected-service"],
])("%s", (_, given, kind) => expect(classify(given, plan).kind).toBe(kind));

test("where a secret may name the model's path, any path is expected, and no other id", () => {
  const hidden = { ...plan, acceptsPath: true } as const;
  expect(classify(response({ status: 200, phase: "ready", model: "/data/fox" }), hidden).kind).toBe("ready");
  expect(classify(response({ status: 200, phase: "ready", model: "org/other" }), hidden).kind).toBe(
    "unexpected-service",
  );
  expect(classify(response({ status: 200, phase: "ready", model: "/data/fox" }), plan).kind).toBe("unexpected-service");
});

test("an unexpected service is named", () => {
  expect(classify(otherService(404), plan)).toEqual({
    kind: "unexpected-service",
    reason: "another service answers there (HTTP 404)",
  });
  expect(classify(response({ model: "org/other" }), plan)).toEqual({
    kind: "unexpected-service",
    reason: "an image-gen with model org/other answers there, not org/model",
  });
});

test.each([
  [null],
  ["<html>"],
  [[]],
  [{ status: "UP" }],
  [{ phase: "ready", error: null }],
  [{ phase: 1, error: null, model: null }],
])("%j is no body of /readyz", (found) => expect(parseReadyState(found)).toBeNull());

test("every field is checked: one of another type is absent", () => {
  const odd = { bytes_done: "1", eta_seconds: "soon", device: 7, phases: { loading: 1.5, odd: "x" }, version: "0.1.0" };
  expect(parseReadyState(body({ ...odd, error: { message: 1 } }))).toEqual({
    phase: "starting",
    bytes_done: 0,
    bytes_total: 0,
    bytes_per_second: null,
    eta_seconds: null,
    file: null,
    error: { code: "UNKNOWN", message: "the service gave no reason", retryable: false },
    model: "org/model",
    revision: null,
    source: null,
    device: null,
    phases: { loading: 1.5 },
    version: "0.1.0",
  });
});

const offline = { code: "HUB_UNREACHABLE", message: "The hub can't be reached.", retryable: true };

test.each([
  [
    { phase: "fetching", bytes_done: 1.5e9, bytes_total: 6e9, bytes_per_second: 9.2e6, eta_seconds: 489 },
    "fetching org/model · 1.5 GB of 6 GB · 9.2 MB/s · 8 min 9 s left",
    0.25,
  ],
  [{ phase: "fetching", bytes_total: 0 }, "looking up the model's files", undefined],
  [
    { phase: "fetching", error: offline },
    "looking up the model's files · retrying: The hub can't be reached.",
    undefined,
  ],
  [{ phase: "loading", device: "cuda" }, "loading the model to cuda", undefined],
  [{ phase: "warming" }, "making a first image", undefined],
  [{ phase: "ready", device: "cuda" }, "ready on cuda", undefined],
  [{ phase: "failed", error: offline }, "failed: The hub can't be reached.", undefined],
  [{ phase: "pulling" }, "pulling", undefined],
])("%j is shown as %s", (fields, text, fraction) => {
  const state = parseReadyState(body(fields));
  expect(state && describeState(state)).toEqual(fraction === undefined ? { text } : { text, fraction });
});

test.each([
  [response({ error: offline }), "The hub can't be reached; the service retries"],
  [{ kind: "no-response", reason: "ECONNREFUSED" } as const, "waiting for a response"],
  [otherService(), "another service answers there (HTTP 200)"],
])("%#: pending is shown as %s", (given, text) => {
  const found = classify(given, plan);
  expect(found.kind === "ready" ? null : describePending(found)).toBe(text);
});
