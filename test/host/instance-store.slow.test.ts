/** What hosts do with an instance store, on a real kernel: in a fleet it is formatted at each boot, beside a volume its copy outlives one, and no volume is ever written to. */
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

test("beside a volume it is mounted for a copy, which outlives a reboot; what can't be mounted is formatted", async () => {
  const copy = (word: string) =>
    lab.machine.run(`IMAGE_GEN_INSTANCE_STORE=/instance-store /opt/image-gen/bin/instance-store ${word}`);
  const name = await lab.machine.must("grep -l AWS /sys/block/nvme*n1/device/serial | cut -d / -f 4");
  const reboot = async () => {
    expect((await copy("unmount")).code).toBe(0);
    await lab.machine.must("rm -rf /run/image-gen");
  };
  expect(await copy("mount")).toMatchObject({ code: 0, output: expect.stringContaining(`formatting ${name}`) });
  expect(await lab.machine.must("stat -c %u:%g /instance-store; findmnt -no FSTYPE /instance-store")).toBe(
    "10001:10001\nxfs",
  );
  await lab.machine.must("echo weights >/instance-store/model");
  await reboot();
  expect((await copy("mount")).output).toMatch(/^nvme\dn1 is at \/instance-store, with what is on it\n$/);
  expect(await lab.machine.must("cat /instance-store/model")).toBe("weights");
  expect(await copy("check")).toEqual({ code: 0, output: "" });
  await reboot();
  await lab.machine.must(`dd if=/dev/zero of=/dev/${name} bs=1M count=1 conv=fsync status=none`);
  expect(await copy("mount")).toMatchObject({ code: 0, output: expect.stringContaining("formatting") });
  await reboot();
  expect(await lab.machine.must("ls -A /instance-store; ls /run/image-gen/trouble 2>/dev/null; true")).toBe("");
  expect((await lab.machine.run("mountpoint -q /data")).code).not.toBe(0);
  expect(await volumeIsUntouched()).toBe(true);
});

test("without an instance store nothing is formatted, whatever volumes there are", async () => {
  await lab.machine.detach(lab.decoy);
  const answer = await lab.script("instance-store mount");
  expect(answer.code).toBe(1);
  expect(answer.output).toMatch(/^instance store: no disk of the model "QEMU NVMe Ctrl"\. Fix: /);
  expect(await volumeIsUntouched()).toBe(true);
});
