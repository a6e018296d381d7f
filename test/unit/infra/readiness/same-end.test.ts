/** The same recorded start ends in the same second with the same code in Docker, as a process and on AWS. */

import { expect, test } from "vitest";
import { pathsOf } from "../../../../cli/core/paths.ts";
import { progressTo } from "../../../../cli/core/progress.ts";
import { waitForService } from "../../../../cli/service/readiness.ts";
import { StackFiles } from "../../../../cli/stack/files.ts";
import { checkoutFixes } from "../../../../infra/fixes.ts";
import { checkReady } from "../../../../infra/readiness/docker-gate.ts";
import { checkHost } from "../../../../infra/readiness/host-gate.ts";
import { type ProbeResult, parseReadyState } from "../../../../infra/readiness/probe-result.ts";
import { awsPlanWith } from "../../../support/aws-settings.ts";
import { planWith } from "../../../support/settings.ts";
import { body } from "./results.ts";

const LIMIT = 300;
const local = planWith({ readyTimeoutSeconds: LIMIT }).readiness;
const aws = awsPlanWith({ readyTimeoutSeconds: String(LIMIT) }).readiness;
const START = Date.parse("2026-11-22T12:00:00Z");

/** The bodies of `/readyz`, by the second; ready with 200. */
type Recording = (second: number) => Record<string, unknown>;

/** What a service does whose hub does not answer: an attempt of 3 s, then pauses of 5, 10, 20 … s. */
function unreachableHub(second: number): Record<string, unknown> {
  let begin = 1;
  for (let pause = 5; begin <= second; pause *= 2) {
    if (second < begin + 3) return { phase: "fetching", bytes_total: 10 };
    begin += 3 + pause;
    if (second < begin) return { phase: "failed", bytes_total: 10, error: error("HUB_UNREACHABLE", true) };
  }
  return {};
}

const error = (code: string, retryable: boolean) => ({ code, message: "It failed.", retryable });

const recordings: readonly (readonly [string, Recording, number, string])[] = [
  ["an unreachable hub", unreachableHub, 34, "HUB_UNREACHABLE"],
  [
    "a hub that goes away while bytes come, and stays away",
    (second) =>
      second < 60 ? { phase: "fetching", bytes_done: second, bytes_total: 100 } : unreachableHub(second - 60),
    94,
    "HUB_UNREACHABLE",
  ],
  ["a gated model", (second) => (second < 4 ? {} : { phase: "failed", error: error("GATED", false) }), 4, "GATED"],
  [
    "errors between bytes",
    (second) => {
      if (second > 200) return { phase: "ready" };
      return { phase: "fetching", bytes_done: second, error: second % 20 ? error("HUB_UNREACHABLE", true) : null };
    },
    201,
    "ready",
  ],
  ["a load that does not end", () => ({ phase: "loading" }), LIMIT, "NOT_READY_IN_TIME"],
  ["another model", () => ({ phase: "ready", model: "org/other" }), 10, "UNEXPECTED_SERVICE"],
  ["a start without trouble", (second) => ({ phase: second < 7 ? "loading" : "ready" }), 7, "ready"],
];

/** Plays a recording: a second passes with each sleep of one. Resolves to the second and the code of the end. */
async function play(
  recording: Recording,
  wait: (deps: Clock, bodyNow: () => Record<string, unknown>) => Promise<unknown>,
): Promise<{ second: number; code: string }> {
  let second = 0;
  const deps = {
    now: () => second,
    date: () => START + second * 1000,
    sleep: async (seconds: number) => {
      second += seconds;
    },
    onProgress: () => {},
  };
  const code = await wait(deps, () => body({ model: local.models[0], ...recording(second) })).then(
    () => "ready",
    (reason: Error) => /\(([A-Z_]+)\)/.exec(reason.message)?.[1] ?? reason.message,
  );
  return { second, code };
}

interface Clock {
  readonly now: () => number;
  readonly date: () => number;
  readonly sleep: (seconds: number) => Promise<void>;
  readonly onProgress: () => void;
}

const probeOf = (found: Record<string, unknown>): ProbeResult => ({
  kind: "response",
  status: found.phase === "ready" ? 200 : 503,
  state: parseReadyState(found),
});

const inDocker = (recording: Recording) =>
  play(recording, (deps, bodyNow) =>
    checkReady({
      plan: local,
      fixes: checkoutFixes("local"),
      containerName: "image-game-image-gen",
      deps: { ...deps, probe: async () => probeOf(bodyNow()) },
      containerReport: async () => [],
    }),
  );

const asProcess = (recording: Recording) =>
  play(recording, (deps, bodyNow) =>
    waitForService(
      {
        files: new StackFiles(pathsOf(), "local"),
        progress: progressTo({ write: () => true }),
        signal: new AbortController().signal,
      },
      local,
      undefined,
      { ...deps, probe: async () => probeOf(bodyNow()) },
    ),
  );

/** The host's status has the same body in it, and is written at each change. */
const onAws = (recording: Recording) =>
  play(recording, (deps, bodyNow) =>
    checkHost(
      aws,
      { deployment: "d1", instance: "i-1" },
      {
        ...deps,
        readParameter: async () => {
          const ready = bodyNow();
          const at = new Date(deps.date()).toISOString();
          const status = { schema: 1, deployment: "d1", instance: "i-1", at, phase: ready.phase, ready };
          return { kind: "value", text: JSON.stringify({ ...status, error: null, log: [] }) };
        },
      },
      checkoutFixes("prod"),
    ),
  );

test.each(recordings)("%s ends alike on every target", async (_, recording, second, code) => {
  const ends = { docker: await inDocker(recording), process: await asProcess(recording), aws: await onAws(recording) };
  const expected = { second, code };
  expect(ends).toEqual({ docker: expected, process: expected, aws: expected });
});
