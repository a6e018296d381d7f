/** What the host's scripts do with disks, on a real kernel with NVMe disks of chosen serials that come and go. */
import { cpSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VOLUME } from "../support/host/files.ts";
import { Lab } from "../support/host/lab.ts";
import { type Disk, hashOf } from "../support/vm/disks.ts";
import { searched } from "../support/vm/image.ts";

const folder = mkdtempSync(join(tmpdir(), "imagegen-host-"));
const OTHER = "vol-0aaaaaaaaaaaaaaa1";
let lab: Lab;

beforeAll(async () => {
  lab = await Lab.start(folder, "lab");
});
afterAll(async () => {
  await lab?.machine.cutPower();
  rmSync(folder, { recursive: true });
});

/** Attaches the disk, lets a host mount it, and takes it away: refused, for that reason, without a byte changed. */
async function refused(disk: Disk, reason: RegExp, settings = {}): Promise<void> {
  const before = await hashOf(disk.file);
  await lab.machine.attach(disk);
  const answer = await lab.mount(settings);
  expect(answer.output).toMatch(reason);
  expect(answer.code).toBe(1);
  expect((await lab.machine.run("mountpoint -q /data")).code).not.toBe(0);
  expect(await lab.machine.must("cat /run/image-gen/trouble/volume")).toMatch(reason);
  await lab.release(disk);
  expect(await hashOf(disk.file)).toBe(before);
}

const shell = (command: string, ...args: string[]) => execa(command, args, { env: { PATH: searched } });

test("a blank disk is formatted, mounted and marked, and the instance store before it is left alone", async () => {
  const disk = lab.blank("volume");
  await lab.machine.attach(disk);
  const answer = await lab.mount();
  expect(answer.output).toContain(`(${VOLUME}) is at /data`);
  expect(answer.code).toBe(0);
  expect(await lab.machine.must("cat /data/.volume-id; stat -c %u:%g /data; findmnt -no FSTYPE /data")).toBe(
    `${VOLUME}\n10001:10001\nxfs`,
  );
  await lab.machine.must("echo weights >/data/model");
  expect(await lab.decoyIsUntouched()).toBe(true);
});

test("a mounted volume is mounted again without a change", async () => {
  const answer = await lab.script("data-volume mount");
  expect(answer).toEqual({ code: 0, output: "" });
});

test("a full volume still counts as the volume", async () => {
  await lab.machine.must(
    "fallocate -l 10G /data/full 2>/dev/null || dd if=/dev/zero of=/data/full bs=1M 2>/dev/null || true",
  );
  expect(await lab.machine.must("df --output=pcent /data | tail -n 1")).toBe("100%");
  expect((await lab.script("data-volume check")).code).toBe(0);
  expect((await lab.script("data-volume mount")).code).toBe(0);
  await lab.machine.must("rm /data/full");
});

test("a second host finds the first one's data", async () => {
  const disk = lab.disk("volume");
  const uuid = "blkid -p -s UUID -o value /dev/nvme2n1";
  const before = await lab.machine.must(uuid);
  await lab.release(disk);
  await lab.machine.attach(disk);
  const answer = await lab.mount();
  expect(answer.output).not.toContain("formatting");
  expect(await lab.machine.must("cat /data/model")).toBe("weights");
  expect(await lab.machine.must(uuid)).toBe(before);
});

test("a volume that has grown is used to its end", async () => {
  const disk = lab.disk("volume");
  await lab.release(disk);
  truncateSync(disk.file, 640 * 1024 ** 2);
  await lab.machine.attach(disk);
  expect((await lab.mount()).code).toBe(0);
  expect(Number(await lab.machine.must("df --output=size -m /data | tail -n 1"))).toBeGreaterThan(500);
  expect(await lab.machine.must("cat /data/model")).toBe("weights");
});

test("a disk that goes while it is mounted is noticed, and mounted again when it is back", async () => {
  const disk = lab.disk("volume");
  await lab.machine.detach(disk);
  const check = await lab.script("data-volume check");
  expect(check.code).toBe(1);
  expect(check.output).toMatch(/not \(or no longer\) the volume|does not answer/);
  await lab.machine.attach(disk);
  expect((await lab.script("data-volume mount")).output).toContain("is at /data");
  expect(await lab.machine.must("cat /data/model")).toBe("weights");
  await lab.release(disk);
});

test("a disk that comes late is waited for", async () => {
  const disk = lab.blank("late");
  const mounting = lab.mount({ waitSeconds: 60 });
  await lab.machine.must("sleep 4; [ ! -e /data/.volume-id ]");
  await lab.machine.attach(disk);
  expect((await mounting).output).toContain("is at /data");
  await lab.release(disk);
});

test("a disk that never comes is a clear line", async () => {
  const answer = await lab.mount({ waitSeconds: 2 });
  expect(answer.code).toBe(1);
  expect(answer.output).toMatch(/^data volume vol-\w+: no disk with serial vol\w+ after 2 s\. Fix: /);
});

test("another file system is left alone", async () => {
  const disk = lab.blank("ext4");
  await shell("mke2fs", "-q", "-t", "ext4", disk.file);
  await refused(disk, /it holds ext4/);
});

test("a partition table is left alone", async () => {
  const disk = lab.blank("partitions");
  await execa("sfdisk", ["-q", disk.file], { input: "label: gpt\n,\n", env: { PATH: searched } });
  await refused(disk, /it holds partition table gpt/);
});

test("a strange XFS is left alone, without so much as a replayed journal", async () => {
  const disk = lab.blank("xfs");
  await shell("mkfs.xfs", "-q", disk.file);
  await refused(disk, /a file system that is not ours/);
});

test.each([
  ["the start", 100],
  ["the middle", 36 * 1024],
  ["the end", 320 * 1024 - 1],
])("data without a signature at %s is no blank disk", async (_, kilobytes) => {
  const disk = lab.blank(`data-${kilobytes}`);
  await execa("dd", [`of=${disk.file}`, "bs=1", `seek=${kilobytes * 1024}`, "conv=notrunc", "status=none"], {
    input: "secret",
  });
  await refused(disk, /other data|data that no tool knows/);
});

test("a read error is no blank disk", async () => {
  await refused({ ...lab.blank("bad-start"), badSector: 0 }, /could not be read|can not name/);
  await refused({ ...lab.blank("bad-end"), badSector: 320 * 2048 - 8 }, /could not be read|can not name/);
});

test("a blank disk is refused where this stack did not make the volume", async () => {
  await refused(lab.blank("adopted"), /expected a file system, got a blank disk/, { formatIfBlank: false });
});

test("the root disk is never taken, whatever the id says", async () => {
  const answer = await lab.mount({ volume: "vol-0fffffffffffffff0" });
  expect(answer.code).toBe(1);
  expect(answer.output).toContain("it is the root disk");
});

test("a disk of another make is never taken, whatever its serial says", async () => {
  await refused(lab.blank("model"), /its model is "QEMU NVMe Ctrl"/, { model: "Amazon Elastic Block Store" });
});

test("a snapshot's copy is refused as the stack's own volume, and mounted beside its origin when taken over", async () => {
  const origin = lab.disk("volume");
  const copy = lab.disk("copy", OTHER);
  cpSync(origin.file, copy.file);
  await refused(copy, new RegExp(`its marker says ${VOLUME}`), { volume: OTHER });

  const before = await hashOf(origin.file);
  await lab.machine.attach(origin);
  await lab.machine.must(
    `cd /opt/image-gen/bin; . ./lib; . ./disk; until name=$(disk_of ${VOLUME}); do sleep 0.2; done; mkdir -p /mnt; mount -o ro,norecovery /dev/$name /mnt`,
  );
  await lab.machine.attach(copy);
  expect((await lab.mount({ volume: OTHER, formatIfBlank: false })).output).toContain(`(${OTHER}) is at /data`);
  expect(await lab.machine.must("cat /data/model /data/.volume-id")).toBe(`weights\n${OTHER}`);
  await lab.release(origin, copy);
  expect(await hashOf(origin.file)).toBe(before);
});

test("a host of an auto scaling group attaches the volume once the last host has released it, and detaches nothing", async () => {
  const disk = lab.blank("self");
  await lab.newHost({ selfAttach: true, waitSeconds: 60 });
  const held = "*attach-volume*\\tAn error occurred (VolumeInUse) when calling the AttachVolume operation";
  await lab.machine.must(
    `mkdir -p /var/lib/aws /run/image-gen; echo i-00000000000000001 >/run/image-gen/instance; printf '${held}' >/var/lib/aws/refuse`,
  );
  const attaching = lab.script("attach-volume");
  await lab.machine.must("until grep -q attach-volume /var/lib/aws/calls; do sleep 0.2; done; rm /var/lib/aws/refuse");
  expect((await attaching).code).toBe(0);
  await lab.machine.attach(disk);
  expect((await lab.script("data-volume mount")).code).toBe(0);
  const calls = await lab.machine.must("cat /var/lib/aws/calls");
  expect(calls).toContain(`--volume-id ${VOLUME} --instance-id i-00000000000000001`);
  expect(calls).not.toContain("detach");
  await lab.release(disk);
});

test("all that time, not a byte of the instance store was written", async () => {
  expect(await lab.decoyIsUntouched()).toBe(true);
});

test("the same assertion catches a naive script, which takes the first disk that is free", async () => {
  const free = "for name in $(ls /sys/block | grep ^nvme); do ls -d /sys/block/$name/*p1 2>/dev/null || break; done";
  await lab.machine.must(`${free}; mkfs.xfs -q -f /dev/$name && mkdir -p /data && mount /dev/$name /data`);
  expect(await lab.decoyIsUntouched()).toBe(false);
});
