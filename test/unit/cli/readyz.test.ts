import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { CliError, EXIT } from "../../../cli/core/exit.ts";
import { pathsOf } from "../../../cli/core/paths.ts";
import { isPortFree } from "../../../cli/core/ports.ts";
import { progressTo } from "../../../cli/core/progress.ts";
import { makeImage } from "../../../cli/service/images.ts";
import { type Readyz, readReadyz, renderReadyz, waitUntilReady } from "../../../cli/service/readyz.ts";

const state = (changes: Partial<Readyz> = {}): Readyz => ({
  phase: "starting",
  bytes_done: 0,
  bytes_total: 0,
  eta_seconds: null,
  error: null,
  model: "a/b",
  device: null,
  ...changes,
});
const context = {
  paths: pathsOf("/nowhere"),
  progress: progressTo({ write: () => true }),
  signal: new AbortController().signal,
};
const failure = (retryable: boolean) => ({ code: "HUB_UNREACHABLE", message: "The hub can't be reached.", retryable });

describe("what is shown", () => {
  test("a download has bytes, rate, time left and a share", () => {
    const fetching = {
      phase: "fetching",
      bytes_done: 1.5e9,
      bytes_total: 6e9,
      bytes_per_second: 9.2e6,
      eta_seconds: 489,
    } as const;
    const { text, fraction } = renderReadyz(state(fetching));
    expect(text).toBe("fetching a/b · 1.5 GB of 6 GB · 9.2 MB/s · 8 min 9 s left");
    expect(fraction).toBe(0.25);
  });
  test("an error that is tried again is shown beside the phase", () => {
    expect(renderReadyz(state({ phase: "fetching", error: failure(true) })).text).toContain(
      "trying again: The hub can't",
    );
  });
  test.each([
    [state({ phase: "ready", device: "cuda" }), "ready on cuda"],
    [state({ phase: "loading", device: "cuda" }), "loading the model to cuda"],
    [state({ phase: "warming" }), "making a first picture"],
    [state({ phase: "failed", error: failure(false) }), "failed: The hub can't be reached."],
  ])("%#: %s", (given, expected) => {
    expect(renderReadyz(given).text).toBe(expected);
  });
});

describe("with a server", () => {
  let server: Server | undefined;
  afterEach(() => new Promise<void>((done) => (server ? server.close(() => done()) : done())));

  const serve = async (answers: (Readyz | string)[], status = 503): Promise<string> => {
    server = createServer((_request, response) => {
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
    });
    await new Promise<void>((done) => server?.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const quick = { timeoutSeconds: 5, everySeconds: 0.01 };
  const errorOf = (wait: Promise<unknown>): Promise<CliError> =>
    wait.then(
      () => Promise.reject(new Error("it did not fail")),
      (error: CliError) => error,
    );

  test("it waits through the phases and sees each", async () => {
    const url = await serve([
      state(),
      state({ phase: "fetching" }),
      state({ phase: "loading" }),
      state({ phase: "ready" }),
    ]);
    const seen: string[] = [];
    const ready = await waitUntilReady(url, { ...quick, onState: (now) => seen.push(now?.phase ?? "none") });
    expect(ready.phase).toBe("ready");
    expect(seen).toEqual(["starting", "fetching", "loading", "ready"]);
  });

  test("a fatal error ends the wait with the service's own words", async () => {
    const url = await serve([state({ phase: "failed", error: failure(false) })]);
    expect((await errorOf(waitUntilReady(url, quick))).message).toBe("The hub can't be reached.");
  });

  test("an error that is tried again has its time", async () => {
    const failed = state({ phase: "failed", error: failure(true) });
    const url = await serve([failed, failed, state({ phase: "ready" })]);
    expect((await waitUntilReady(url, quick)).phase).toBe("ready");
  });

  test("an error that is tried again for too long counts", async () => {
    const url = await serve([state({ phase: "failed", error: failure(true) })]);
    const error = await errorOf(waitUntilReady(url, { ...quick, patienceSeconds: 0.1 }));
    expect(error.message).toBe("The hub can't be reached.");
  });

  test("the time limit says what it was doing", async () => {
    const url = await serve([state({ phase: "loading" })]);
    const error = await errorOf(waitUntilReady(url, { ...quick, timeoutSeconds: 0.2 }));
    expect(error.message).toMatch(/Not ready after .*still loading the model.*imagegen logs/);
  });

  test("a check that throws ends the wait", async () => {
    const url = await serve([state()]);
    const check = () => {
      throw new CliError("it died");
    };
    expect((await errorOf(waitUntilReady(url, { ...quick, check }))).message).toBe("it died");
  });

  test("Ctrl-C ends the wait at once", async () => {
    const url = await serve([state()]);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("interrupted")), 50);
    const started = performance.now();
    await errorOf(waitUntilReady(url, { ...quick, timeoutSeconds: 30, everySeconds: 20, signal: controller.signal }));
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test.each(["<html>", "{}", "null"])("another program's answer (%s) is none", async (answer) => {
    expect(await readReadyz(await serve([answer], 200))).toBeNull();
  });

  test("nothing there is no answer either", async () => {
    const url = await serve([state()]);
    await new Promise<void>((done) => server?.close(() => done()));
    server = undefined;
    expect(await readReadyz(url)).toBeNull();
    const error = await errorOf(makeImage(context, url, { prompt: "x" }));
    expect(error.exitCode).toBe(EXIT.notRunning);
  });

  test("a refused picture is the service's reason", async () => {
    const url = await serve([JSON.stringify({ error: { message: "size: expected multiples of 8" } })], 400);
    const error = await errorOf(makeImage(context, url, { prompt: "x" }));
    expect(error.message).toBe("The service refused the request (HTTP 400): size: expected multiples of 8");
  });

  test("its port is taken, and free again afterwards", async () => {
    const port = Number(new URL(await serve([state()])).port);
    expect(await isPortFree(port)).toBe(false);
    await new Promise<void>((done) => server?.close(() => done()));
    server = undefined;
    expect(await isPortFree(port)).toBe(true);
  });
});
