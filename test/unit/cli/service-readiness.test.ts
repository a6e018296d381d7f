import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { CliError, EXIT } from "../../../cli/core/exit.ts";
import { pathsOf } from "../../../cli/core/paths.ts";
import { isPortFree } from "../../../cli/core/ports.ts";
import { progressTo } from "../../../cli/core/progress.ts";
import { makeImages } from "../../../cli/service/images.ts";
import { probeState, waitForService } from "../../../cli/service/readiness.ts";
import { StackFiles } from "../../../cli/stack/files.ts";
import type { ReadinessPlan } from "../../../infra/plan/readiness.ts";
import type { ReadyState } from "../../../infra/readiness/probe-result.ts";
import { planWith } from "../../support/settings.ts";

const state = (changes: Partial<ReadyState> = {}): ReadyState => ({
  phase: "starting",
  bytes_done: 0,
  bytes_total: 0,
  bytes_per_second: null,
  eta_seconds: null,
  file: null,
  error: null,
  model: null,
  revision: null,
  source: null,
  device: null,
  phases: {},
  version: null,
  ...changes,
});
const failure = (retryable: boolean) => ({ code: "HUB_UNREACHABLE", message: "The hub can't be reached.", retryable });

describe("with a server", () => {
  let server: Server | undefined;
  afterEach(() => new Promise<void>((done) => (server ? server.close(() => done()) : done())));

  const serve = async (answers: (ReadyState | string)[], status = 503): Promise<string> => {
    server = createServer((_request, response) => {
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      const ready = typeof answer !== "string" && answer?.phase === "ready";
      response.writeHead(ready ? 200 : status, { "content-type": "application/json" });
      response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
    });
    await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const contextOf = (stack: string, write = (_text: string | Uint8Array) => true) => ({
    paths: pathsOf("/nowhere"),
    files: new StackFiles(pathsOf("/nowhere"), stack),
    progress: progressTo({ write, isTTY: true }, { NO_COLOR: "1" }),
    signal: new AbortController().signal,
  });
  const context = contextOf("local");
  const planOf = (url: string, changes: Partial<ReadinessPlan> = {}) => ({
    ...planWith().readiness,
    readyUrl: `${url}/readyz`,
    pollSeconds: 0.01,
    ...changes,
  });
  const errorOf = (wait: Promise<unknown>): Promise<CliError> =>
    wait.then(
      () => Promise.reject(new Error("it did not fail")),
      (error: CliError) => error,
    );

  test("the wait goes through the phases and reports each", async () => {
    const url = await serve([
      state(),
      state({ phase: "fetching" }),
      state({ phase: "loading" }),
      state({ phase: "ready" }),
    ]);
    const shown: string[] = [];
    const ready = await waitForService(
      contextOf("local", (text) => shown.push(String(text)) > 0),
      planOf(url),
    );
    expect(ready.phase).toBe("ready");
    expect(shown.join("")).toMatch(/starting.*looking up the model's files.*loading the model.*\n$/s);
  });

  test("an error that is not retryable ends the wait with the service's own message", async () => {
    const url = await serve([state({ phase: "failed", error: failure(false) })]);
    expect((await errorOf(waitForService(context, planOf(url)))).message).toBe(
      "The hub can't be reached (HUB_UNREACHABLE). Fix: imagegen logs",
    );
  });

  test("the time-out names the phase, and how to allow more time", async () => {
    const url = await serve([state({ phase: "loading" })]);
    const error = await errorOf(waitForService(contextOf("other"), planOf(url, { readyTimeoutSeconds: 1 })));
    expect(error.message).toBe(
      "still loading the model after 1 s (NOT_READY_IN_TIME); if that is progress, allow more time: " +
        "imagegen up --stack other --config readyTimeoutSeconds=2. Fix: imagegen logs --stack other",
    );
  });

  test("a check that throws ends the wait", async () => {
    const url = await serve([state()]);
    const check = () => {
      throw new CliError("it died");
    };
    expect((await errorOf(waitForService(context, planOf(url), check))).message).toBe("it died");
  });

  test("Ctrl-C ends the wait at once", async () => {
    const url = await serve([state()]);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("interrupted")), 50);
    const started = performance.now();
    await errorOf(waitForService({ ...context, signal: controller.signal }, planOf(url, { pollSeconds: 60 })));
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  test.each(["<html>", "{}", "null"])("another program's answer (%s) is none", async (answer) => {
    expect(await probeState(await serve([answer], 200))).toBeNull();
  });

  test("nothing there is no answer either", async () => {
    const url = await serve([state()]);
    await new Promise<void>((done) => server?.close(() => done()));
    server = undefined;
    expect(await probeState(url)).toBeNull();
    const error = await errorOf(makeImages(context, url, { prompt: "x" }));
    expect(error.exitCode).toBe(EXIT.notRunning);
  });

  test("a refused picture is the service's reason", async () => {
    const url = await serve([JSON.stringify({ error: { message: "size: expected multiples of 8" } })], 400);
    const error = await errorOf(makeImages(context, url, { prompt: "x" }));
    expect(error.message).toBe("The service refused the request (HTTP 400): size: expected multiples of 8");
  });

  test("a picture that does not come in time says how many there are", async () => {
    server = createServer(() => {});
    await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const error = await errorOf(makeImages(context, url, { prompt: "x" }, { timeout: 1 }));
    expect(error.message).toBe(`${url} made 0 of 1 pictures within 1 s. Fix: imagegen status`);
    server.closeAllConnections();
  });

  test("its port is taken, and free again afterwards", async () => {
    const port = Number(new URL(await serve([state()])).port);
    expect(await isPortFree(port)).toBe(false);
    await new Promise<void>((done) => server?.close(() => done()));
    server = undefined;
    expect(await isPortFree(port)).toBe(true);
  });
});
