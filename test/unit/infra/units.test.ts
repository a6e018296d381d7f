import { expect, test } from "vitest";
import {
  dockerDuration,
  formatBytes,
  formatPercent,
  formatSeconds,
  formatUsd,
  roundUsd,
} from "../../../infra/units.ts";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1 kB"],
  [6_940_000_000, "6.94 GB"],
  [12_345_678, "12.3 MB"],
  [2e12, "2 TB"],
])("%d bytes are %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [0, "0 s"],
  [59.6, "1 min"],
  [95, "1 min 35 s"],
  [3_600, "1 h"],
  [3_725, "1 h 2 min 5 s"],
])("%d seconds are %s", (seconds, text) => expect(formatSeconds(seconds)).toBe(text));

test.each([
  [5, "5s"],
  [60, "1m0s"],
  [90, "1m30s"],
  [2_400, "40m0s"],
  [3_600, "1h0m0s"],
])("Docker spells %d seconds %s", (seconds, text) => expect(dockerDuration(seconds)).toBe(text));

test("amounts of money have cents, shares are whole percents", () => {
  expect([roundUsd(587.504), roundUsd(0.488)]).toEqual([587.5, 0.49]);
  expect([formatUsd(4), formatUsd(0.488), formatPercent(0.256)]).toEqual(["4.00 USD", "0.49 USD", "26 %"]);
});
