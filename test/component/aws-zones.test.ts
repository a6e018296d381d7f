/** The zone of a new stack: the program and doctor decide alike, in every region where GPU types are known to be offered. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { describe, expect, test } from "vitest";
import { offering } from "../../cli/targets/aws/doctor/offering-check.ts";
import { choosePlace } from "../../cli/targets/aws/stack/place.ts";
import { parseState, type StateExport } from "../../cli/targets/aws/stack/state.ts";
import { createProvider, lookupPlacement } from "../../infra/aws/lookups.ts";
import { requireSameZone } from "../../infra/aws/volume/data-volume.ts";
import { describeProblem } from "../../infra/config/problem.ts";
import { checkoutFixes } from "../../infra/fixes.ts";
import { chooseZone, hostTypes, type Offerings, typesToLookUp } from "../../infra/plan/aws/zone.ts";
import { awsPlanWith, awsSettings } from "../support/aws-settings.ts";
import { known } from "../support/outputs.ts";
import { runProgram } from "../support/program.ts";

/** Zones and offers of each region by their letters, from DescribeInstanceTypeOfferings as moto 5.2 has it (October 2026). */
const REGIONS = JSON.parse(readFileSync(join(import.meta.dirname, "fixtures/gpu-offers.json"), "utf8")) as Readonly<
  Record<string, { readonly zones: string; readonly offers: Readonly<Record<string, string>> }>
>;

function factsOf(region: string) {
  const { zones = "", offers = {} } = REGIONS[region] ?? {};
  const named = (letters: string) => [...letters].map((letter) => `${region}${letter}`);
  const all: Offerings = Object.fromEntries(Object.entries(offers).map(([type, letters]) => [type, named(letters)]));
  return { zones: named(zones), offers: all };
}

type Raw = Readonly<Record<string, string>>;

/** What the program takes: its zone and type, or the line that it refuses a new volume with. */
async function programIn(region: string, raw: Raw = {}, refused?: Error, limit: number | null = null) {
  const { zones, offers } = factsOf(region);
  const rows = Object.entries(offers).flatMap(([type, there]) => there.map((zone) => ({ type, zone })));
  const plan = awsPlanWith(raw, region);
  const asked = typesToLookUp(plan.host.launchTypes);
  const kept = rows.filter(({ type }) => asked.includes(type));
  const { result } = await runProgram(
    async () => {
      const place = lookupPlacement(plan, { provider: createProvider("image-gen", plan) }, async () => limit, {
        name: "image-gen",
        fixes: checkoutFixes("prod"),
      });
      const zone = await known(place.zone);
      const type = await known(place.typeIn(place.zone));
      return { zone, type, refusal: await refusalOf(place.beforeCreate) };
    },
    {
      answers: {
        "aws:index/getAvailabilityZones:getAvailabilityZones": { names: zones },
        "aws:ec2/getSubnet:getSubnet": { availabilityZone: `${region}c` },
        "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": refused ?? {
          instanceTypes: kept.map(({ type }) => type),
          locations: kept.map(({ zone }) => zone),
        },
      },
    },
  );
  return result;
}

async function refusalOf(hook: pulumi.ResourceHook): Promise<string | null> {
  try {
    await hook.callback({} as pulumi.ResourceHookArgs);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** What doctor finds, and says. */
async function doctorIn(region: string, raw: Raw = {}, state: StateExport | null = null, gone = false) {
  const { zones, offers } = factsOf(region);
  const ec2 = {
    zones: async () => zones,
    offerings: async (types: readonly string[]) => Object.fromEntries(types.map((type) => [type, offers[type] ?? []])),
    subnetZone: async () => `${region}c`,
    volume: async (id: string) => {
      const found = state?.deployment?.resources?.find((one) => one.id === id && !gone);
      return found && { id, zone: found.outputs?.availabilityZone };
    },
  };
  const stack = { name: "prod", client: { region }, state: parseState("prod", state), ec2 };
  const settings = awsSettings(raw, region);
  const place = await choosePlace(stack as unknown as Parameters<typeof choosePlace>[0], settings, 12_288);
  const candidates = hostTypes(settings).map((type) => ({ type, market: "on-demand" as const }));
  const [check] = offering({
    stack: "prod",
    caller: { known: true },
    place: { known: true, value: place },
    candidates,
  });
  return { place, check };
}

describe.each(Object.keys(REGIONS))("a new stack in %s", (region) => {
  test.each<[Raw]>([
    [{}],
    [{ instanceTypes: "g6e.xlarge,g6.xlarge" }],
    [{ instanceTypes: "g5.xlarge", purchaseOption: "spot" }],
  ])(
    "with %j: the zone that doctor names is the program's and offers a type of the list, or both refuse alike",
    async (raw) => {
      const program = await programIn(region, raw);
      const { place, check } = await doctorIn(region, raw);
      const { choice } = place;
      if ("problem" in choice) {
        expect(check).toMatchObject({ status: "fail", message: describeProblem(choice.problem) });
        expect(program.refusal?.split(". Fix: ")[0]).toBe(check?.message);
        return;
      }
      expect(program).toEqual({ zone: choice.zone, type: choice.types[0], refusal: null });
      expect(check).toMatchObject({ status: "ok", message: expect.stringContaining(`in ${choice.zone}`) as string });
      expect(factsOf(region).offers[program.type]).toContain(program.zone);
    },
  );
});

test("the table has regions whose first zone offers nothing of the default list, and regions that offer none of it", () => {
  const types = hostTypes(awsSettings());
  const first = Object.keys(REGIONS).filter((region) => {
    const { zones, offers } = factsOf(region);
    return !types.some((type) => offers[type]?.includes(zones[0] ?? ""));
  });
  const none = first.filter((region) => types.every((type) => (factsOf(region).offers[type] ?? []).length === 0));
  expect(none).toEqual(["ap-southeast-4", "ca-west-1"]);
  expect(first.length).toBeGreaterThan(none.length + 3);
});

describe("where the zone is given", () => {
  test.each<[string, Raw, string, string | null]>([
    [
      "by config, which offers the second type",
      { availabilityZone: "eu-north-1b", instanceTypes: "g5.xlarge,g6.xlarge" },
      "eu-north-1b",
      "g5.xlarge",
    ],
    ["by a subnet", { subnetId: "subnet-0a1b2c3d" }, "us-west-2c", "g6.xlarge"],
  ])("%s, it is taken", async (_, raw, zone) => {
    const region = zone.slice(0, -1);
    const program = await programIn(region, raw);
    const { place } = await doctorIn(region, raw);
    expect(program.zone).toBe(zone);
    expect(place.choice).toMatchObject({ zone, types: expect.arrayContaining([program.type]) as string[] });
  });
  test("and offers nothing of the list, both refuse with one line, and the fix is a zone that does", async () => {
    const raw = { availabilityZone: "us-east-1e" };
    const program = await programIn("us-east-1", raw);
    const { check } = await doctorIn("us-east-1", raw);
    expect(check?.message).toMatch(
      /availabilityZone: expected a zone that offers one of g6\.xlarge, .*, got us-east-1e$/,
    );
    expect(program.refusal).toBe(`${check?.message}. Fix: pulumi config set availabilityZone us-east-1a`);
    expect(check?.fix).toBe("imagegen up --stack prod --config availabilityZone=us-east-1a");
    // A volume that is there already stays there: only a new one is refused.
    expect(program.zone).toBe("us-east-1e");
  });
  test("by the volume of the state, doctor names that, and move-az where nothing is offered", async () => {
    const volume = (zone: string) => ({
      deployment: {
        resources: [
          {
            type: "aws:ebs/volume:Volume",
            urn: "urn:pulumi:prod::p::x$aws:ebs/volume:Volume::image-gen-data",
            id: "vol-1",
            inputs: {},
            outputs: { availabilityZone: zone },
          },
        ],
      },
    });
    expect((await doctorIn("us-east-1", {}, volume("us-east-1c"))).check?.message).toContain("in us-east-1c");
    expect((await doctorIn("us-east-1", {}, volume("us-east-1e"))).check).toMatchObject({
      status: "fail",
      fix: "imagegen move-az us-east-1a --stack prod",
    });
    // The next generation is another volume, which config places.
    const moved = { availabilityZone: "us-east-1b", volumeGeneration: "2" };
    expect((await doctorIn("us-east-1", moved, volume("us-east-1e"))).check?.message).toContain("in us-east-1b");
  });
});

describe("a volume elsewhere", () => {
  const volume = {
    type: "aws:ebs/volume:Volume",
    urn: "urn:pulumi:prod::p::x$aws:ebs/volume:Volume::image-gen-data",
    id: "vol-1",
    inputs: {},
    outputs: { availabilityZone: "us-east-1a" },
  };
  test.each<[string, Raw]>([
    ["the zone of config", { availabilityZone: "us-east-1c" }],
    ["the subnet's zone", { subnetId: "subnet-0a1b2c3d" }],
  ])("than in %s is refused by doctor, as the program does", async (_, raw) => {
    const { check } = await doctorIn("us-east-1", raw, { deployment: { resources: [volume] } });
    expect(check).toMatchObject({
      status: "fail",
      fix: expect.stringMatching(/^imagegen move-az us-east-1c/) as string,
    });
    const refusal = () => requireSameZone("us-east-1a", "us-east-1c", "vol-1", checkoutFixes("prod"));
    expect(refusal).toThrow(`${check?.message}. Fix: ${check?.fix}`);
  });
  test("that was deleted by hand holds nothing back", async () => {
    const raw = { availabilityZone: "us-east-1c" };
    const { check } = await doctorIn("us-east-1", raw, { deployment: { resources: [volume] } }, true);
    expect(check).toMatchObject({ status: "ok", message: expect.stringContaining("in us-east-1c") as string });
  });
});

describe("a new account's quota", () => {
  const refusal = async (limit: number | null, raw: Raw = {}) =>
    (await programIn("us-east-1", raw, undefined, limit)).refusal;
  test("refuses a first deployment before anything is made, with the command that raises it", async () => {
    expect(await refusal(0)).toBe(
      "quota: Running On-Demand G and VT instances (L-DB2E81BA): 0 vCPUs, a g6.xlarge needs 4. Fix: aws service-quotas " +
        "request-service-quota-increase --service-code ec2 --quota-code L-DB2E81BA --desired-value 8 --region us-east-1",
    );
    expect(await refusal(4, { purchaseOption: "spot", instanceTypes: "g6.2xlarge" })).toContain("L-3819A6DF): 4 vCPUs");
  });
  test.each<[string, number | null, Raw]>([
    ["is enough for one host", 4, {}],
    ["is not known", null, {}],
    ["counts for no type of the table", 0, { instanceTypes: "g9.xlarge,g6.xlarge", pinnedInstanceType: "g9.xlarge" }],
  ])("that %s refuses nothing", async (_, limit, raw) => {
    expect(await refusal(limit, raw)).toBeNull();
  });
});

describe("credentials that may not ask for the offers", () => {
  test("have the first zone and type, as before: AWS refuses the launch or not", async () => {
    const denied = new Error(
      "UnauthorizedOperation: You are not authorized to perform: ec2:DescribeInstanceTypeOfferings",
    );
    expect(await programIn("us-east-1", {}, denied)).toEqual({ zone: "us-east-1a", type: "g6.xlarge", refusal: null });
  });
});

test("another zone than the chosen one is suggested, and one that the stack was in last", async () => {
  const { place } = await doctorIn("us-east-1");
  expect(place.choice).toMatchObject({ zone: "us-east-1a" });
  expect(place.otherZones).toEqual(["us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f"]);
  const volume = (name: string, zone: string) => ({
    type: "aws:ebs/volume:Volume",
    urn: `urn:pulumi:prod::p::x$aws:ebs/volume:Volume::${name}`,
    id: name,
    inputs: {},
    outputs: { availabilityZone: zone },
  });
  const resources = [volume("image-gen-data", "us-east-1a"), volume("image-gen-data-2", "us-east-1b")];
  const moved = { availabilityZone: "us-east-1b", volumeGeneration: "2" };
  const again = await doctorIn("us-east-1", moved, { deployment: { resources } });
  expect(again.place.choice).toMatchObject({ zone: "us-east-1b" });
  expect(again.place.otherZones).toEqual(["us-east-1c", "us-east-1d", "us-east-1f", "us-east-1a"]);
});

describe("the type", () => {
  test("is the first of the list that the zone offers", async () => {
    const raw = { availabilityZone: "us-west-1a", instanceTypes: "g6.xlarge,g5.xlarge,g4dn.xlarge" };
    expect((await programIn("us-west-1", raw)).type).toBe("g4dn.xlarge");
  });
  test("that is pinned is launched or refused by AWS, and no other", async () => {
    const raw = { availabilityZone: "us-west-1a", pinnedInstanceType: "g6.xlarge" };
    expect((await programIn("us-west-1", raw)).type).toBe("g6.xlarge");
  });
});

describe("chooseZone", () => {
  const request = {
    stack: "prod",
    region: "us-east-1",
    types: ["g6.xlarge", "g5.xlarge"],
    zone: null,
    hasVolume: false,
    gpuMemoryMib: 0,
  };
  const zones = ["us-east-1c", "us-east-1a", "us-east-1b"];
  test.each<[string, Offerings, object]>([
    [
      "the preferred type decides before the number of types",
      { "g6.xlarge": ["us-east-1b"], "g5.xlarge": ["us-east-1a"] },
      { zone: "us-east-1b", types: ["g6.xlarge"] },
    ],
    [
      "then the number of types",
      { "g6.xlarge": ["us-east-1a", "us-east-1b"], "g5.xlarge": ["us-east-1b"] },
      { zone: "us-east-1b", types: ["g6.xlarge", "g5.xlarge"] },
    ],
    [
      "then the name, whatever the order of the answer",
      { "g6.xlarge": ["us-east-1c", "us-east-1a"], "g5.xlarge": [] },
      { zone: "us-east-1a", types: ["g6.xlarge"] },
    ],
    [
      "a zone that is no ordinary one of the region is never taken",
      { "g6.xlarge": ["us-east-1-bos-1a"], "g5.xlarge": ["us-east-1c"] },
      { zone: "us-east-1c", types: ["g5.xlarge"] },
    ],
  ])("%s", (_, offers, choice) => {
    expect(chooseZone(request, offers, zones)).toEqual(choice);
  });
});
