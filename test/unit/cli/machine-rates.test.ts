import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Context } from "../../../cli/core/context.ts";
import { pathsOf } from "../../../cli/core/paths.ts";
import { machineRates, measureRates, readRates, refuseRates } from "../../../cli/service/machine-rates.ts";

const MEASURED = {
  at: "2026-11-28T07:00:00Z",
  cores: 2,
  import_seconds: 3.9,
  read_bytes_per_second: 1.4e9,
  blake3_bytes_per_second: 2.3e9,
  sha256_bytes_per_second: 1.2e9,
  load_bytes_per_second: 2.4e9,
  pass_bytes_per_second: 1.1e9,
  prompt_bytes_per_second: 0.6e9,
  device: "cpu",
  dtype: "float16",
  warmup_side: 64,
};
const RATES = {
  at: "2026-11-28T07:00:00Z",
  cores: 2,
  importSeconds: 3.9,
  readBytesPerSecond: 1.4e9,
  blake3BytesPerSecond: 2.3e9,
  sha256BytesPerSecond: 1.2e9,
  loadBytesPerSecond: 2.4e9,
  passBytesPerSecond: 1.1e9,
  promptBytesPerSecond: 0.6e9,
};

let root: string;
let context: Context;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "imagegen-rates-"));
  const progress = { log: () => {} };
  context = { paths: pathsOf(root), files: { name: "local-volume" }, progress } as unknown as Context;
});

afterEach(() => rmSync(root, { recursive: true }));

const answering = (body: unknown, exitCode = 0) => ({
  stack: "local-volume",
  exec: async () => ({ exitCode, stdout: JSON.stringify(body) }),
});

describe("the rates of this machine", () => {
  test("are measured beside the cache, and kept for the stack's later plans", async () => {
    expect(readRates(context)).toBeNull();
    expect(await measureRates(context, answering(MEASURED))).toEqual(RATES);
    expect(readRates(context)).toEqual(RATES);
    expect(readdirSync(context.paths.rates)).toEqual(["local-volume.json"]);
    const other = { ...context, files: { ...context.files, name: "local-baked" } } as Context;
    expect(readRates(other)).toBeNull();
  });

  test("may lack that of the disk", async () => {
    const { readBytesPerSecond } = await measureRates(context, answering({ ...MEASURED, read_bytes_per_second: null }));
    expect(readBytesPerSecond).toBeNull();
  });

  test("of an image that can't measure are not kept, and the fix is named", async () => {
    const measured = measureRates(context, answering({ error: { code: "USAGE" } }));
    await expect(measured).rejects.toThrow(/too old to measure.*Fix: imagegen up/);
    expect(readRates(context)).toBeNull();
  });

  test("that fail to be measured are no rates", async () => {
    await expect(measureRates(context, answering({ error: { message: "no room" } }, 1))).rejects.toThrow();
    expect(readRates(context)).toBeNull();
  });

  test("of a file are those that it has", () => {
    const file = join(root, "rates.json");
    writeFileSync(file, JSON.stringify(MEASURED));
    expect(readRates(context, file)).toEqual(RATES);
  });

  test.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["a list", "[]"],
    ["a rate of zero", JSON.stringify({ ...MEASURED, load_bytes_per_second: 0 })],
    ["a rate that is text", JSON.stringify({ ...MEASURED, cores: "2" })],
    ["a disk that is text", JSON.stringify({ ...MEASURED, read_bytes_per_second: "fast" })],
    ["a time that is none", JSON.stringify({ ...MEASURED, at: "\u001b[31mx" })],
    ["no time", JSON.stringify({ ...MEASURED, at: undefined })],
  ])("of a file with %s are refused, with the command that makes them", (_, text) => {
    const file = join(root, "rates.json");
    writeFileSync(file, text);
    expect(() => readRates(context, file)).toThrow(`${file} has no rates of a machine. Fix: --measure, which leaves`);
    mkdirSync(context.paths.rates, { recursive: true });
    writeFileSync(join(context.paths.rates, "local-volume.json"), text);
    expect(() => readRates(context)).toThrow(/has no rates of a machine\. Fix: rm .*local-volume\.json$/);
  });

  test("of a file that is not there are refused", () => {
    expect(() => readRates(context, "/none/rates.json")).toThrow(
      "--rates: /none/rates.json can't be read: ENOENT. Fix: --measure, which leaves",
    );
  });

  test("come from a measurement or from a file, not from both", async () => {
    const both = machineRates(context, answering(MEASURED), { measure: true, rates: "x" });
    await expect(both).rejects.toThrow("--measure and --rates exclude each other. Fix: leave one out");
    expect(await machineRates(context, answering(MEASURED), {})).toBeNull();
    expect(await machineRates(context, answering(MEASURED), { measure: true })).toEqual(RATES);
    expect(await machineRates(context, answering(MEASURED), {})).toEqual(RATES);
  });

  test("are refused for hosts in AWS, by the option that was given", () => {
    refuseRates("aws-volume", {});
    expect(() => refuseRates("aws-volume", { measure: true })).toThrow("--measure is for stacks on this machine.");
    expect(() => refuseRates("aws-volume", { rates: "x" })).toThrow("--rates is for stacks on this machine.");
    expect(() => refuseRates("aws-volume", { downloadRate: 5 })).toThrow(
      "--download-rate is for stacks on this machine.",
    );
  });
});
