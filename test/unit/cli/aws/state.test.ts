import { describe, expect, test } from "vitest";
import { CliError } from "../../../../cli/core/exit.ts";
import { fixFor, withNextSteps } from "../../../../cli/targets/aws/stack/next-steps.ts";
import { parseState, type StateExport } from "../../../../cli/targets/aws/stack/state.ts";
import { findUnusedVolumes } from "../../../../cli/targets/aws/stack/unused-volumes.ts";

type Resource = NonNullable<NonNullable<StateExport["deployment"]>["resources"]>[number];
const urn = (name: string) => `urn:pulumi:prod::Picture-Perfect-Challenge::imagegen:x$aws:y::${name}`;
const stack = (outputs: Record<string, unknown> = {}): Resource => ({ type: "pulumi:pulumi:Stack", outputs });
const volume = (name: string, id: string, zone: string, changes: object = {}): Resource => ({
  type: "aws:ebs/volume:Volume",
  urn: urn(name),
  id,
  inputs: { availabilityZone: zone },
  outputs: { availabilityZone: zone },
  ...changes,
});
const state = (...resources: Resource[]) => parseState("prod", { deployment: { resources: [stack(), ...resources] } });
const blank = volume("image-gen-data", "vol-1", "us-east-1a");

describe("a stack that never was ready", () => {
  test("has the volume, the zone and the host of its resources", () => {
    const found = state(blank, { type: "aws:ec2/instance:Instance", id: "i-1" });
    expect(found).toMatchObject({
      volumeId: "vol-1",
      availabilityZone: "us-east-1a",
      instanceId: "i-1",
      hasHost: true,
    });
  });
  test("has the volume of the latest generation, whatever the order", () => {
    const found = state(
      blank,
      volume("image-gen-data-10", "vol-10", "us-east-1c"),
      volume("image-gen-data-2", "vol-2", "us-east-1b"),
    );
    expect(found.volumes.map(({ id, generation }) => [id, generation])).toEqual([
      ["vol-10", 10],
      ["vol-2", 2],
      ["vol-1", 1],
    ]);
    expect(found).toMatchObject({ volumeId: "vol-10", availabilityZone: "us-east-1c" });
  });
  test("has subnets of its own, without those that it only reads", () => {
    const subnet = {
      type: "aws:ec2/subnet:Subnet",
      urn: urn("image-gen-subnet"),
      inputs: { availabilityZone: "us-east-1a" },
    };
    expect(state(subnet, { ...subnet, external: true }).subnets).toEqual([
      { name: "image-gen-subnet", zone: "us-east-1a" },
    ]);
  });
});

test("outputs, of an up that succeeded, come first: a move that is not complete has not changed them", () => {
  const outputs = { volumeId: "vol-1", availabilityZone: "us-east-1a", instanceId: null, secret: { ciphertext: "x" } };
  const resources = [stack(outputs), blank, volume("image-gen-data-2", "vol-2", "us-east-1b")];
  expect(parseState("prod", { deployment: { resources } })).toMatchObject({
    volumeId: "vol-1",
    availabilityZone: "us-east-1a",
  });
});

describe("a volume that no host ever mounted", () => {
  const available = {
    id: "vol-1",
    state: "available",
    zone: "us-east-1a",
    sizeGb: 50,
    attachedTo: null,
    madeFrom: null,
  };
  type Facts = { hosts?: object[]; status?: string | null; found?: object | null; denied?: boolean };
  const unused = (
    of: ReturnType<typeof state>,
    { hosts = [], status = null, found = available, denied = false }: Facts = {},
  ) =>
    findUnusedVolumes({
      name: "prod",
      state: of,
      ec2: {
        hostsEver: async () => (denied ? Promise.reject(new Error("UnauthorizedOperation")) : hosts),
        volume: async () => found ?? undefined,
      },
      ssm: { parameter: async () => status },
    } as unknown as Parameters<typeof findUnusedVolumes>[0]);

  test("is one that the stack made blank, where nothing tells of a host", async () => {
    expect(await unused(state(blank))).toEqual(["vol-1"]);
  });
  test.each<[string, ReturnType<typeof state>, Facts?]>([
    ["has an instance in the state", state(blank, { type: "aws:ec2/instance:Instance", id: "i-1" })],
    [
      "has an attachment in the state",
      state(blank, { type: "aws:ec2/volumeAttachment:VolumeAttachment", id: "vai-1" }),
    ],
    ["has a self-healing group", state(blank, { type: "aws:autoscaling/group:Group", id: "g" })],
    [
      "may have a host, whose launch was interrupted",
      parseState("prod", {
        deployment: {
          resources: [stack(), blank],
          pending_operations: [{ resource: { type: "aws:ec2/instance:Instance" } }],
        },
      }),
    ],
    [
      "was ready once",
      parseState("prod", { deployment: { resources: [stack({ url: "http://127.0.0.1:8000" }), blank] } }),
    ],
    [
      "came from a snapshot",
      state(volume("image-gen-data", "vol-1", "us-east-1a", { inputs: { snapshotId: "snap-1" } })),
    ],
    ["is an existing one that the stack reads", state({ ...blank, external: true })],
    ["had a host that is terminated", state(blank), { hosts: [{ id: "i-0", state: "terminated" }] }],
    ["had a host that wrote its status", state(blank), { status: "{}" }],
    ["is attached", state(blank), { found: { ...available, state: "in-use", attachedTo: "i-1" } }],
    ["was made from a snapshot, as EC2 says", state(blank), { found: { ...available, madeFrom: "snap-1" } }],
    ["is gone", state(blank), { found: null }],
    ["can't be looked up", state(blank), { denied: true }],
  ])("is none that %s", async (_, of, facts = {}) => {
    const found = "found" in facts ? facts : { ...facts, found: available };
    expect(await unused(of, found)).toEqual([]);
  });
});

describe("an update that failed", () => {
  const place = { stack: "prod", region: "us-east-1", zone: "us-east-1b" };
  test.each([
    [
      "api error VpcLimitExceeded: The maximum number of VPCs has been reached.",
      /^aws service-quotas .*--service-code vpc --quota-code L-F678F1CE .*--region us-east-1, then imagegen up --stack prod, or .*subnetId=/,
    ],
    [
      "api error VolumeLimitExceeded: …",
      /--service-code ebs --quota-code L-7A658B76 .*, then imagegen up --stack prod$/,
    ],
    [
      "is not authorized to perform: ec2:CreateVolume on resource: *",
      /^allow ec2:CreateVolume for these credentials, then imagegen up --stack prod$/,
    ],
    [
      'resource "urn:pulumi:prod::p::x$aws:ebs/volume:Volume::image-gen-data" cannot be deleted\nbecause it is protected',
      /^imagegen move-az us-east-1b --stack prod, which finishes/,
    ],
  ])("%s has a fix", (message, fix) => {
    expect(fixFor(message, place)).toMatch(fix);
  });
  test("names what continues it and what removes it", () => {
    const error = withNextSteps(new CliError([{ message: "no route" }, { message: "Full log: x" }]), place) as CliError;
    expect(error.message).toBe(
      "no route\nFull log: x\nWhat was made stays, and is in the stack's state. " +
        "Fix: imagegen up --stack prod, which continues there, or imagegen down --stack prod, which removes it",
    );
  });
});
