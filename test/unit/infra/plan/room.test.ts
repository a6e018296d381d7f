import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { describeRoom, isElsewhere } from "../../../../cli/doctor/room.ts";
import { cachedBuild, readUsage } from "../../../../cli/toolchain/docker-usage.ts";
import { makePlan } from "../../../../infra/plan/plan.ts";
import { planProcessRoom, planRoom, type RoomFacts } from "../../../../infra/plan/room.ts";
import { planWith, settingsWith } from "../../../support/settings.ts";

const GB = 1e9;
const all: RoomFacts = { hasImage: true, hasDownloads: true, hasPackages: true, volumeBytes: 10 * GB };
const none: RoomFacts = { hasImage: false, hasDownloads: false, hasPackages: false, volumeBytes: 0 };
const without = (...names: (keyof RoomFacts)[]) => ({
  ...all,
  ...Object.fromEntries(names.map((name) => [name, none[name]])),
});
const demo = makePlan(settingsWith({ modelId: "demo" }), null, { hasGpu: false });
const unknown = (modelCache: "volume" | "baked") =>
  makePlan(settingsWith({ modelId: "acme/tiny", modelCache }), null, { hasGpu: false });

describe("disk space in GB, a spare one included", () => {
  test.each([
    ["nothing is there: the image, its build cache, a model of 10 GB", planWith(), none, 25.86],
    ["nothing is there, with torch's CPU build", planWith({ torchIndex: "cpu" }), none, 15.81],
    ["nothing is there, with the demo", demo, none, 15.876],
    ["the image is there, the volume is empty", planWith(), without("volumeBytes"), 11],
    ["all is there", planWith(), all, 1],
    ["half of the model is there", planWith(), { ...all, volumeBytes: 4 * GB }, 7],
    ["the code changed", planWith(), without("hasImage"), 1.02],
    ["the build cache was pruned down to its downloads", planWith(), without("hasImage", "hasPackages"), 10.13],
    ["a baked model, which lies there three times", planWith({ modelCache: "baked" }), none, 45.86],
    ["another model is baked", planWith({ modelCache: "baked" }), without("hasImage"), 31.02],
    ["the baked image is there", planWith({ modelCache: "baked" }), without("volumeBytes"), 1],
  ] as const)("%s", (_, plan, facts, expected) => expect(planRoom(plan, facts).bytes / GB).toBeCloseTo(expected, 3));
});

test.each(["volume", "baked"] as const)(
  "a model of unknown size (%s) is no reason to refuse, and is reported",
  (place) => {
    const room = planRoom(unknown(place), { ...all, hasImage: false, volumeBytes: 0 });
    expect(room.bytes / GB).toBeCloseTo(1.02);
    expect(room.assumedBytes).toBeGreaterThan(10 * GB);
  },
);

test.each([
  ["volume", none, 0.8],
  ["volume", { ...none, volumeBytes: 10.5 * GB }, 0.3],
  ["volume", { ...none, volumeBytes: 11 * GB }, 0],
  ["baked", none, 2.4],
  ["baked", all, 0],
] as const)("a LoRA's assumed size (%s, %o) is reported, and is no reason to refuse", (modelCache, facts, expected) => {
  const room = planRoom(planWith({ modelCache, loras: "a=org/a" }), facts);
  expect(room.assumedBytes / GB).toBeCloseTo(expected, 3);
  expect(room.bytes).toBe(planRoom(planWith({ modelCache }), facts).bytes);
});

test("a process needs its environment once", () => {
  expect(planProcessRoom(demo, false).bytes).toBeGreaterThan(10 * GB);
  expect(planProcessRoom(demo, true).bytes).toBeLessThan(2 * GB);
});

test("every part is named with its size", () => {
  expect(describeRoom(planRoom(planWith()))).toBe(
    "25.9 GB (the image 4.63 GB, the build's installed packages 4.5 GB, the build's downloads 5.73 GB, the model 10 GB)",
  );
});

test("Docker's own figures are read; an old or broken answer counts as nothing", () => {
  const usage = readUsage(
    JSON.stringify({
      BuildCache: [
        { CacheType: "exec.cachemount", Description: "cached mount /root/.cache/uv from exec …", Size: "5.728GB" },
        {
          CacheType: "regular",
          Description: "mount / from exec … sh /build/install-packages /opt/uv/bin/uv …",
          Size: "4.855GB",
        },
        {
          CacheType: "regular",
          Description: "mount / from exec … sh /build/install-packages /opt/uv/bin/uv …",
          Size: "61.19MB",
        },
      ],
      Volumes: [{ Name: "models", Size: "6.94GB" }],
      Images: null,
    }),
  );
  expect(usage && cachedBuild(usage)).toEqual({ downloads: 5.728e9, packages: 4.855e9 });
  expect(usage?.volumes).toEqual([{ name: "models", bytes: 6.94e9 }]);
  expect(readUsage("Error")).toBeUndefined();
});

test("a model in a directory of the host, or in the host's own cache, takes nothing of Docker's disk", () => {
  const home = mkdtempSync(join(tmpdir(), "imagegen-room-"));
  mkdirSync(join(home, "hub", "models--acme--here"), { recursive: true });
  const of = (modelId: string, changes: { volumeName?: string; hostCache?: string | null }) =>
    isElsewhere(settingsWith({ modelId, ...changes }));
  expect(of("acme/here", { volumeName: "/srv/models" })).toBe(true);
  expect(of("acme/here", { hostCache: home })).toBe(true);
  expect(of("acme/here", { hostCache: join(home, "hub") })).toBe(true);
  expect(of("acme/other", { hostCache: home })).toBe(false);
  expect(of("acme/here", { hostCache: null })).toBe(false);
  rmSync(home, { recursive: true });
});
