import { expect, test } from "vitest";
import { judge } from "../../../../infra/readiness/probe-state.ts";
import { answer } from "./answers.ts";

const plan = { models: ["org/model", "alias/model"] };

test.each([
  ["ready", answer({ status: 200, phase: "ready" }), "ready"],
  ["ready under another name", answer({ status: 200, phase: "ready", model: "alias/model" }), "ready"],
  ["200 in another phase", answer({ status: 200, phase: "loading" }), "working"],
  ["503 in phase ready", answer({ status: 503, phase: "ready" }), "working"],
  ["starting without a model yet", answer({ phase: "starting", model: null }), "working"],
  ["an error", answer({ phase: "failed", error: { code: "X", message: "y", retryable: true } }), "failing"],
  ["another model", answer({ status: 200, phase: "ready", model: "org/other" }), "stranger"],
  ["no answer", { kind: "none", reason: "ECONNREFUSED" } as const, "silent"],
  ["a page", { kind: "http", status: 200, body: null } as const, "stranger"],
  ["another JSON service", { kind: "http", status: 200, body: { status: "UP" } } as const, "stranger"],
])("%s", (_, given, kind) => expect(judge(given, plan).kind).toBe(kind));

test("a stranger is named", () => {
  expect(judge({ kind: "http", status: 404, body: null }, plan)).toEqual({
    kind: "stranger",
    reason: "another service answers there (HTTP 404)",
  });
  expect(judge(answer({ model: "org/other" }), plan)).toEqual({
    kind: "stranger",
    reason: "an image-gen with model org/other answers there, not org/model",
  });
});

test.each([
  [
    { phase: "fetching", bytes_done: 1.2e9, bytes_total: 6.94e9, eta_seconds: 574 },
    "fetching: 1.2 GB of 6.94 GB, about 9 min 34 s left",
  ],
  [{ phase: "verifying", bytes_done: 5, bytes_total: 10, eta_seconds: null }, "verifying: 5 B of 10 B"],
  [{ phase: "fetching", bytes_done: 0, bytes_total: 0 }, "fetching"],
  [{ phase: "loading", bytes_done: 10, bytes_total: 10, eta_seconds: 1 }, "loading"],
])("%j reads %s", (fields, line) => expect(judge(answer(fields), plan)).toMatchObject({ kind: "working", line }));
