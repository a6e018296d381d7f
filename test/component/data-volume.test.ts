import { describe, expect, test } from "vitest";
import { DataVolume, requireSameZone } from "../../infra/aws/volume/data-volume.ts";
import { UserError } from "../../infra/errors.ts";
import { checkoutFixes } from "../../infra/fixes.ts";
import { runAws } from "../support/aws-program.ts";
import { awsPlanWith } from "../support/aws-settings.ts";
import { known } from "../support/outputs.ts";
import { theOnly } from "../support/program.ts";

const VOLUME = "aws:ebs/volume:Volume";
const FIXED = ["availabilityZone", "encrypted", "kmsKeyId", "snapshotId", "volumeInitializationRate", "outpostArn"];

async function volumeWith(
  raw: Record<string, string> = {},
  options: Parameters<typeof runAws>[1] = {},
  zone = "us-east-1b",
) {
  return runAws(async () => {
    const volume = new DataVolume("image-gen", {
      plan: awsPlanWith(raw).volume,
      zone,
      stack: "prod",
      fixes: checkoutFixes("prod"),
    });
    return { id: await known(volume.volumeId), zone: await known(volume.availabilityZone) };
  }, options);
}

test("one encrypted gp3 volume, of the plan's size, protected, retained, and never replaced", async () => {
  const { resources, result } = await volumeWith();
  expect(resources.map(({ type, name }) => [type, name])).toEqual([
    ["imagegen:cache:DataVolume", "image-gen"],
    [VOLUME, "image-gen-data"],
  ]);
  const { inputs, options } = theOnly(resources, VOLUME);
  expect(inputs).toEqual({
    availabilityZone: "us-east-1b",
    type: "gp3",
    size: 50,
    iops: 3000,
    throughput: 125,
    encrypted: true,
    tags: { Name: "image-gen-data-prod", "imagegen:volume": "prod" },
  });
  expect(options).toEqual({
    parent: "imagegen:cache:DataVolume::image-gen",
    protect: true,
    retainOnDelete: true,
    deleteBeforeReplace: false,
    ignoreChanges: FIXED,
    replaceOnChanges: [],
  });
  expect(result).toEqual({ id: "image-gen-data-id", zone: "us-east-1b" });
});

test.each([
  ["snapshot", true],
  ["delete", undefined],
])("onDestroy %s: it goes with the stack, with a last snapshot: %s; and is never replaced", async (onDestroy, last) => {
  const { inputs, options } = theOnly((await volumeWith({ onDestroy })).resources, VOLUME);
  expect(inputs.finalSnapshot).toBe(last);
  expect(options).toMatchObject({ protect: false, retainOnDelete: false, ignoreChanges: FIXED });
});

test("a snapshot, its rate and a key are what it is made with", async () => {
  const kmsKeyArn = "arn:aws:kms:us-east-1:123456789012:key/1";
  const raw = { volumeSnapshotId: "snap-0a1b2c3d", volumeInitializationRate: "200", kmsKeyArn };
  expect(theOnly((await volumeWith(raw)).resources, VOLUME).inputs).toMatchObject({
    snapshotId: "snap-0a1b2c3d",
    volumeInitializationRate: 200,
    kmsKeyId: kmsKeyArn,
    encrypted: true,
  });
});

test("another generation is another resource, so that the one before it stays as it is", async () => {
  const { resources } = await volumeWith({ volumeGeneration: "2" });
  expect(theOnly(resources, VOLUME).name).toBe("image-gen-data-2");
});

test("an adopted volume is read and tagged, and not the stack's to change or delete", async () => {
  const there = { outputs: () => ({ availabilityZone: "us-east-1c", arn: "arn" }) };
  const { resources, result } = await volumeWith({ volumeId: "vol-0a1b2c3d" }, there);
  expect(resources.map(({ type, name }) => [type, name])).toEqual([
    ["imagegen:cache:DataVolume", "image-gen"],
    [VOLUME, "image-gen-data-adopted"],
    ["aws:ec2/tag:Tag", "image-gen-data-adopted-tag"],
  ]);
  expect(theOnly(resources, VOLUME).inputs).toEqual({});
  expect(theOnly(resources, "aws:ec2/tag:Tag").inputs).toEqual({
    resourceId: "vol-0a1b2c3d",
    key: "imagegen:volume",
    value: "prod",
  });
  expect(result).toEqual({ id: "vol-0a1b2c3d", zone: "us-east-1c" });
});

describe("the zone", () => {
  const there = { outputs: () => ({ availabilityZone: "us-east-1a" }) };

  test("is the volume's own, whichever the region lists first today", async () => {
    expect((await volumeWith({}, there)).result.zone).toBe("us-east-1a");
  });

  test.each([[{ availabilityZone: "us-east-1b" }], [{ subnetId: "subnet-0a1b2c3d" }]])(
    "that %j asks for is the volume's",
    async (raw) => {
      expect((await volumeWith(raw as Record<string, string>, there, "us-east-1a")).result.zone).toBe("us-east-1a");
    },
  );

  test("that is another than the volume's is refused: a disk can't be moved by wishing", () => {
    expect(() => requireSameZone("us-east-1a", "us-east-1b", "vol-1", checkoutFixes("prod"))).toThrow(UserError);
    expect(() => requireSameZone("us-east-1a", "us-east-1b", "vol-1", checkoutFixes("prod"))).toThrow(
      "Picture-Perfect-Challenge:availabilityZone: expected us-east-1a, where the volume vol-1 is, " +
        "got us-east-1b. Fix: imagegen move-az us-east-1b --stack prod, or use a subnet in us-east-1a again",
    );
  });
});
