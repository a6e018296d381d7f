import { describe, expect, test } from "vitest";
import {
  type Attempt,
  attemptsOf,
  describeRefusal,
  mendOf,
  nextAttempt,
  quotaOf,
  type Refusal,
  refusalIn,
  type Wishes,
} from "../../../../cli/targets/aws/stack/launch-errors.ts";
import { askInTurn, pinsOf } from "../../../../cli/targets/aws/stack/up.ts";

const wishes: Wishes = {
  instanceTypes: ["g6.xlarge", "g5.xlarge"],
  pinnedInstanceType: null,
  purchaseOption: "on-demand",
  pinnedPurchaseOption: null,
};
const shown = (attempts: readonly Attempt[]) => attempts.map(({ type, market }) => `${type}/${market}`);

describe("the order of hosts to ask for", () => {
  test.each<[string, Partial<Wishes>, string[]]>([
    ["the list", {}, ["g6.xlarge/on-demand", "g5.xlarge/on-demand"]],
    ["spot only", { purchaseOption: "spot" }, ["g6.xlarge/spot", "g5.xlarge/spot"]],
    [
      "all of spot before any on demand",
      { purchaseOption: "spot-then-on-demand" },
      ["g6.xlarge/spot", "g5.xlarge/spot", "g6.xlarge/on-demand", "g5.xlarge/on-demand"],
    ],
    ["what was pinned first", { pinnedInstanceType: "g5.xlarge" }, ["g5.xlarge/on-demand", "g6.xlarge/on-demand"]],
    [
      "the pinned market first",
      { purchaseOption: "spot-then-on-demand", pinnedInstanceType: "g5.xlarge", pinnedPurchaseOption: "on-demand" },
      ["g5.xlarge/on-demand", "g6.xlarge/spot", "g5.xlarge/spot", "g6.xlarge/on-demand"],
    ],
    ["a type outside of the list alone", { pinnedInstanceType: "p5.4xlarge" }, ["p5.4xlarge/on-demand"]],
  ])("%s", (_, changes, order) => {
    expect(shown(attemptsOf({ ...wishes, ...changes }))).toEqual(order);
  });
});

test.each<[string, Refusal | undefined]>([
  [
    "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode: 500, api error InsufficientInstanceCapacity: We currently do not have sufficient g6.xlarge capacity in the Availability Zone you requested (us-east-1a).",
    { kind: "capacity", code: "InsufficientInstanceCapacity" },
  ],
  [
    "api error VcpuLimitExceeded: You have requested more vCPU capacity than",
    { kind: "quota", code: "VcpuLimitExceeded" },
  ],
  [
    "MaxSpotInstanceCountExceeded: Max spot instance count exceeded",
    { kind: "quota", code: "MaxSpotInstanceCountExceeded" },
  ],
  ["SpotMaxPriceTooLow: Your Spot request price", { kind: "price", code: "SpotMaxPriceTooLow" }],
  [
    "Unsupported: Your requested instance type (g6.xlarge) is not supported in your requested Availability Zone (us-east-1e).",
    {
      kind: "offering",
      code: "requested instance type (g6.xlarge) is not supported in your requested Availability Zone",
    },
  ],
  [
    "Could not launch Spot Instances. UnfulfillableCapacity - Unable to fulfill",
    { kind: "capacity", code: "UnfulfillableCapacity" },
  ],
  ["Unsupported: The requested configuration is currently not supported", undefined],
  ["image-gen was not ready within 30 min", undefined],
])("%s → %o", (text, refusal) => {
  expect(refusalIn(text)).toEqual(refusal);
});

describe("after a refusal", () => {
  const sizes = { "g6.xlarge": 4, "g5.xlarge": 4, "g5.2xlarge": 8, "g4dn.large": 2 };
  const on = (type: string): Attempt => ({ type, market: "on-demand" });
  const spot = (type: string): Attempt => ({ type, market: "spot" });
  const capacity: Refusal = { kind: "capacity", code: "x" };
  const quota: Refusal = { kind: "quota", code: "x" };

  test("for capacity the next of the list is asked for", () => {
    expect(nextAttempt([on("g6.xlarge"), on("g5.xlarge")], [[on("g6.xlarge"), capacity]], sizes)).toEqual(
      on("g5.xlarge"),
    );
  });
  test("for quota only what is smaller, or counted by another quota", () => {
    const all = [on("g6.xlarge"), on("g5.2xlarge"), on("g5.xlarge"), on("g4dn.large"), spot("g6.xlarge")];
    expect(nextAttempt(all, [[on("g6.xlarge"), quota]], sizes)).toEqual(on("g4dn.large"));
    expect(nextAttempt(all.slice(0, 3), [[on("g6.xlarge"), quota]], sizes)).toBeUndefined();
    expect(nextAttempt([...all.slice(0, 3), spot("g6.xlarge")], [[on("g6.xlarge"), quota]], sizes)).toEqual(
      spot("g6.xlarge"),
    );
  });
});

test.each([
  ["g6.xlarge", "on-demand", "L-DB2E81BA"],
  ["gr6.4xlarge", "on-demand", "L-DB2E81BA"],
  ["g4dn.xlarge", "spot", "L-3819A6DF"],
  ["p5.4xlarge", "on-demand", "L-417A185B"],
  ["m7i.large", "on-demand", undefined],
] as const)("the quota of %s (%s) is %s", (type, market, code) => {
  expect(quotaOf(type, market)?.code).toBe(code);
});

describe("asking in turn", () => {
  const settings = { ...wishes, selfHealing: false, availabilityZone: "us-east-1a" };
  const play = async (answers: (Refusal | undefined)[], changes: object = {}) => {
    const lines: string[] = [];
    const asked: Record<string, string>[] = [];
    const context = {
      files: { name: "aws-volume" },
      progress: { line: (text: string) => lines.push(text), live: () => {}, settle: () => {} },
    } as unknown as Parameters<typeof askInTurn>[0];
    const run = async (values: Readonly<Record<string, string>>) => {
      asked.push({ ...values });
      return answers[asked.length - 1];
    };
    const host = await askInTurn(context, { ...settings, ...changes }, { "g6.xlarge": 4, "g5.xlarge": 4 }, run).catch(
      String,
    );
    return { host, asked, lines };
  };
  const none: Refusal = { kind: "capacity", code: "InsufficientInstanceCapacity" };

  test("the first that can be had ends it", async () => {
    const { host, asked, lines } = await play([undefined]);
    expect({ host, asked, lines }).toEqual({
      host: { type: "g6.xlarge", market: "on-demand" },
      asked: [{ pinnedInstanceType: "g6.xlarge" }],
      lines: [],
    });
  });
  test("each refusal is one line, and the next is asked for", async () => {
    const { host, asked, lines } = await play([none, undefined]);
    expect(host).toEqual({ type: "g5.xlarge", market: "on-demand" });
    expect(asked.map(({ pinnedInstanceType }) => pinnedInstanceType)).toEqual(["g6.xlarge", "g5.xlarge"]);
    expect(lines).toEqual([
      "AWS has no g6.xlarge (on demand) in us-east-1a now (InsufficientInstanceCapacity). Next: g5.xlarge (on-demand) …",
    ]);
  });
  test("the market is said where config leaves it open", async () => {
    const { asked } = await play([none, none, undefined], { purchaseOption: "spot-then-on-demand" });
    expect(asked[2]).toEqual({ pinnedInstanceType: "g6.xlarge", pinnedPurchaseOption: "on-demand" });
  });
  test("when nothing is left, one line says what to do", async () => {
    const { host } = await play([none, none]);
    expect(host).toMatch(
      /^CliError: No host: AWS has no g5\.xlarge .*\. Fix: imagegen up --stack aws-volume again later, .*move-az/,
    );
  });
  test("a quota that has no room for any is not asked twice", async () => {
    const { host, asked } = await play([{ kind: "quota", code: "VcpuLimitExceeded" }]);
    expect(asked).toHaveLength(1);
    expect(host).toMatch(/Fix: aws service-quotas request-service-quota-increase .*--quota-code L-DB2E81BA/);
  });
  test("a group that heals itself goes through the list on its own", async () => {
    const { asked } = await play([none], { selfHealing: true });
    expect(asked).toEqual([{}]);
  });
});

test("only a fallback is written down", () => {
  const settings = { ...wishes, selfHealing: false };
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

test("what is refused is told without a zone as well", () => {
  const attempt: Attempt = { type: "g6.xlarge", market: "spot" };
  expect(describeRefusal(attempt, { kind: "silence", code: "nothing within 12 min" }, null)).toBe(
    "AWS gave no g6.xlarge (spot) in all that time (nothing within 12 min)",
  );
  expect(mendOf("prod", [[attempt, { kind: "capacity", code: "x" }]])).toContain(
    "imagegen up --stack prod again later",
  );
});
