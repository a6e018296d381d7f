import { describe, expect, test } from "vitest";
import {
  type LaunchCandidate,
  type LaunchPreferences,
  launchCandidates,
  nextCandidate,
  suggestFix,
} from "../../../../cli/targets/aws/stack/launch-candidates.ts";
import { launchWithFallback, pinsOf } from "../../../../cli/targets/aws/stack/up.ts";
import type { LaunchError } from "../../../../infra/plan/aws/launch-errors.ts";

const requirements: LaunchPreferences = {
  instanceTypes: ["g6.xlarge", "g5.xlarge"],
  pinnedInstanceType: null,
  purchaseOption: "on-demand",
  pinnedPurchaseOption: null,
};
const shown = (candidates: readonly LaunchCandidate[]) => candidates.map(({ type, market }) => `${type}/${market}`);

describe("launch candidates, in order", () => {
  test.each<[string, Partial<LaunchPreferences>, string[]]>([
    ["the list", {}, ["g6.xlarge/on-demand", "g5.xlarge/on-demand"]],
    ["spot only", { purchaseOption: "spot" }, ["g6.xlarge/spot", "g5.xlarge/spot"]],
    [
      "all of spot before any on demand",
      { purchaseOption: "spot-then-on-demand" },
      ["g6.xlarge/spot", "g5.xlarge/spot", "g6.xlarge/on-demand", "g5.xlarge/on-demand"],
    ],
    ["the pinned type first", { pinnedInstanceType: "g5.xlarge" }, ["g5.xlarge/on-demand", "g6.xlarge/on-demand"]],
    [
      "the pinned market first",
      { purchaseOption: "spot-then-on-demand", pinnedInstanceType: "g5.xlarge", pinnedPurchaseOption: "on-demand" },
      ["g5.xlarge/on-demand", "g6.xlarge/spot", "g5.xlarge/spot", "g6.xlarge/on-demand"],
    ],
    ["a type outside of the list alone", { pinnedInstanceType: "p5.4xlarge" }, ["p5.4xlarge/on-demand"]],
  ])("%s", (_, changes, order) => {
    expect(shown(launchCandidates({ ...requirements, ...changes }))).toEqual(order);
  });
});

describe("after a failed launch", () => {
  const sizes = { "g6.xlarge": 4, "g5.xlarge": 4, "g5.2xlarge": 8, "g4dn.large": 2 };
  const on = (type: string): LaunchCandidate => ({ type, market: "on-demand" });
  const spot = (type: string): LaunchCandidate => ({ type, market: "spot" });
  const capacity: LaunchError = { kind: "capacity", code: "x" };
  const quota: LaunchError = { kind: "quota", code: "x" };

  test("for capacity, the next of the list is tried", () => {
    expect(nextCandidate([on("g6.xlarge"), on("g5.xlarge")], [[on("g6.xlarge"), capacity]], sizes)).toEqual(
      on("g5.xlarge"),
    );
  });
  test("for quota, only smaller types and those of another quota are tried", () => {
    const all = [on("g6.xlarge"), on("g5.2xlarge"), on("g5.xlarge"), on("g4dn.large"), spot("g6.xlarge")];
    expect(nextCandidate(all, [[on("g6.xlarge"), quota]], sizes)).toEqual(on("g4dn.large"));
    expect(nextCandidate(all.slice(0, 3), [[on("g6.xlarge"), quota]], sizes)).toBeUndefined();
    expect(nextCandidate([...all.slice(0, 3), spot("g6.xlarge")], [[on("g6.xlarge"), quota]], sizes)).toEqual(
      spot("g6.xlarge"),
    );
  });
});

describe("launchWithFallback", () => {
  const settings = { ...requirements, selfHealing: false };
  const place = {
    choice: { zone: "us-east-1a", types: ["g6.xlarge", "g5.xlarge"] },
    otherZones: ["us-east-1b", "us-east-1c"],
  };
  const play = async (
    answers: (LaunchError | undefined)[],
    changes: object = {},
    where: typeof place | null = place,
  ) => {
    const lines: string[] = [];
    const asked: Record<string, string>[] = [];
    const context = {
      files: { name: "aws-volume" },
      progress: { log: (text: string) => lines.push(text), update: () => {}, stop: () => {} },
    } as unknown as Parameters<typeof launchWithFallback>[0];
    const run = async (values: Readonly<Record<string, string>>) => {
      asked.push({ ...values });
      return answers[asked.length - 1];
    };
    const host = await launchWithFallback(
      context,
      { ...settings, region: "us-east-1", ...changes },
      { vcpus: { "g6.xlarge": 4, "g5.xlarge": 4 }, place: where },
      run,
    ).catch(String);
    return { host, asked, lines };
  };
  const none: LaunchError = { kind: "capacity", code: "InsufficientInstanceCapacity" };

  test("returns the first host that launches", async () => {
    const { host, asked, lines } = await play([undefined]);
    expect({ host, asked, lines }).toEqual({
      host: { type: "g6.xlarge", market: "on-demand" },
      asked: [{ pinnedInstanceType: "g6.xlarge" }],
      lines: [],
    });
  });
  test("logs each launch error in one line and tries the next host", async () => {
    const { host, asked, lines } = await play([none, undefined]);
    expect(host).toEqual({ type: "g5.xlarge", market: "on-demand" });
    expect(asked.map(({ pinnedInstanceType }) => pinnedInstanceType)).toEqual(["g6.xlarge", "g5.xlarge"]);
    expect(lines).toEqual([
      "AWS has no g6.xlarge (on demand) in us-east-1a now (InsufficientInstanceCapacity). Next: g5.xlarge (on-demand) …",
    ]);
  });
  test("sets the market where config leaves it open", async () => {
    const { asked } = await play([none, none, undefined], { purchaseOption: "spot-then-on-demand" });
    expect(asked[2]).toEqual({ pinnedInstanceType: "g6.xlarge", pinnedPurchaseOption: "on-demand" });
  });
  test("names the fix when no host is left", async () => {
    const { host } = await play([none, none]);
    expect(host).toMatch(
      /^CliError: No host: AWS has no g5\.xlarge .*\. Fix: imagegen up --stack aws-volume again later, .*move-az us-east-1b --stack aws-volume$/,
    );
  });
  test("tries a quota that is too small for any only once", async () => {
    const { host, asked } = await play([{ kind: "quota", code: "VcpuLimitExceeded" }]);
    expect(asked).toHaveLength(1);
    expect(host).toMatch(
      /Fix: aws service-quotas request-service-quota-increase .*--quota-code L-DB2E81BA .*--region us-east-1/,
    );
  });
  test("does not try what the zone does not offer, and says so", async () => {
    const there = { ...place, choice: { zone: "us-east-1e", types: ["g5.xlarge"] } };
    const { host, asked, lines } = await play([undefined], {}, there);
    expect({ host, asked, lines }).toEqual({
      host: { type: "g5.xlarge", market: "on-demand" },
      asked: [{ pinnedInstanceType: "g5.xlarge" }],
      lines: ["us-east-1e offers no g6.xlarge: not tried."],
    });
  });
  test("tries the list where the offers are not known", async () => {
    const { asked, lines } = await play([none, undefined], {}, null);
    expect(asked).toHaveLength(2);
    expect(lines[0]).toMatch(/^AWS has no g6\.xlarge \(on demand\) now/);
  });
  test("leaves the list to a self-healing group", async () => {
    const { asked } = await play([none], { selfHealing: true });
    expect(asked).toEqual([{}]);
  });
});

test("only a fallback host is pinned", () => {
  const settings = { ...requirements, selfHealing: false };
  expect(pinsOf(settings, { type: "g6.xlarge", market: "on-demand" })).toEqual({});
  expect(pinsOf(settings, { type: "g5.xlarge", market: "on-demand" })).toEqual({ pinnedInstanceType: "g5.xlarge" });
  expect(
    pinsOf({ ...settings, purchaseOption: "spot-then-on-demand" }, { type: "g6.xlarge", market: "on-demand" }),
  ).toEqual({
    pinnedInstanceType: "g6.xlarge",
    pinnedPurchaseOption: "on-demand",
  });
  expect(pinsOf({ ...settings, pinnedInstanceType: "g5.xlarge" }, { type: "g6.xlarge", market: "on-demand" })).toEqual({
    pinnedInstanceType: "g6.xlarge",
  });
});

test("the fix for no capacity has a command for the stack", () => {
  const candidate: LaunchCandidate = { type: "g6.xlarge", market: "spot" };
  expect(
    suggestFix({ stack: "prod", region: "us-east-1", otherZones: [] }, [[candidate, { kind: "capacity", code: "x" }]]),
  ).toContain("imagegen up --stack prod again later");
  expect(suggestFix({ stack: "prod", region: "us-east-1", otherZones: [] }, [])).not.toContain("move-az");
});
