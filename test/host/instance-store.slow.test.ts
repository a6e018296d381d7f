/** What a host of a fleet does with its disks, on a real kernel: the instance store is formatted at each boot, and no volume ever is. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Lab } from "../support/host/lab.ts";
import { type Disk, hashOf } from "../support/vm/disks.ts";

const folder = mkdtempSync(join(tmpdir(), "imagegen-store-"));
let lab: Lab;
/** A volume, blank, as the script for volumes would format it. */
let volume: Disk;
let blank: string;

beforeAll(async () => {
  lab = await Lab.start(folder, "lab");
  volume = lab.blank("volume");
  blank = await hashOf(volume.file);
  await lab.machine.attach(volume);
  await lab.newHost();
});
afterAll(async () => {
  await lab?.machine.cutPower();
  rmSync(folder, { recursive: true });
});

const volumeIsUntouched = async () => {
  await lab.machine.must("sync");
  return (await hashOf(volume.file)) === blank;
};

test("the instance store is formatted, mounted and its owner's, and the blank volume beside it is left alone", async () => {
  const answer = await lab.script("instance-store mount");
  expect(answer.output).toMatch(/formatting nvme\dn1, the instance store\n.*is at \/data/);
  expect(answer.code).toBe(0);
  expect(await lab.machine.must("stat -c %u:%g /data; findmnt -no FSTYPE /data")).toBe("10001:10001\nxfs");
  await lab.machine.must("echo weights >/data/model");
  expect(await volumeIsUntouched()).toBe(true);
});

test("it is mounted again without a change while it is there", async () => {
  expect(await lab.script("instance-store mount")).toEqual({ code: 0, output: "" });
  expect((await lab.script("instance-store check")).code).toBe(0);
  expect(await lab.machine.must("cat /data/model")).toBe("weights");
});

test("after a boot, at which nothing mounts it, it is formatted again", async () => {
  await lab.script("instance-store unmount");
  await lab.machine.must("rm -rf /run/image-gen");
  expect((await lab.script("instance-store mount")).output).toContain("formatting");
  expect((await lab.machine.run("cat /data/model")).code).not.toBe(0);
  expect(await volumeIsUntouched()).toBe(true);
});

test("one that is mounted elsewhere, or has partitions, is refused and not written to", async () => {
  await lab.script("instance-store unmount");
  const name = await lab.machine.must("grep -l AWS /sys/block/nvme*n1/device/serial | cut -d / -f 4");
  await lab.machine.must(`mkdir -p /mnt && mount /dev/${name} /mnt && echo kept >/mnt/file`);
  const mounted = await lab.script("instance-store mount");
  expect(mounted).toMatchObject({
    code: 1,
    output: expect.stringContaining(`instance store: ${name} is in use. Fix: `),
  });
  expect(await lab.machine.must("cat /mnt/file; umount /mnt")).toBe("kept");
  await lab.machine.must(`wipefs -qa /dev/${name} && echo ',,L' | sfdisk -q /dev/${name} && udevadm settle`);
  expect(await lab.script("instance-store mount")).toMatchObject({
    code: 1,
    output: expect.stringContaining("is in use"),
  });
  await lab.machine.must(`wipefs -qa /dev/${name} && blockdev --rereadpt /dev/${name} && udevadm settle`);
});

test("without an instance store nothing is formatted, whatever volumes there are", async () => {
  await lab.machine.detach(lab.decoy);
  const answer = await lab.script("instance-store mount");
  expect(answer.code).toBe(1);
  expect(answer.output).toMatch(/^instance store: no disk of the model "QEMU NVMe Ctrl"\. Fix: /);
  expect(await volumeIsUntouched()).toBe(true);
});
