/** Power cuts: in the middle of a format, at each of its writes, and in the middle of a download. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VOLUME } from "../support/host/files.ts";
import { Lab } from "../support/host/lab.ts";
import type { Disk } from "../support/vm/disks.ts";
import { readWriteLog, replay, type Write } from "../support/vm/write-log.ts";

const folder = mkdtempSync(join(tmpdir(), "imagegen-host-"));
const OTHER = "vol-0aaaaaaaaaaaaaaa1";
let lab: Lab;
let writes: Write[];

describe("a power cut", () => {
  beforeAll(async () => {
    lab = await Lab.start(folder, "before");
  });
  afterAll(async () => {
    await lab?.machine.cutPower();
    rmSync(folder, { recursive: true });
  });

  const mkfs = (volume: string) =>
    `. ./lib; . ./disk; until disk_of ${volume} >/dev/null; do sleep 0.2; done; mkfs.xfs -q -K -L image-gen -m uuid=$(own_uuid ${volume}) /dev/$(disk_of ${volume}) && sync`;
  const inScripts = (line: string) => lab.machine.must(`cd /opt/image-gen/bin && ${line}`);
  const lookAt = (volume: string) =>
    inScripts(
      `. ./lib; . ./disk; until disk_of ${volume} >/dev/null; do sleep 0.2; done; look_at $(disk_of ${volume}) ${volume}`,
    );

  /** A blank disk on which the first writes of that format were done. */
  function cutAfter(count: number, name: string): Disk {
    const disk = lab.blank(name);
    for (const write of writes.slice(0, count)) replay(disk.file, write);
    return disk;
  }

  test("wherever a format is cut, the disk is known for what it is", async () => {
    const disk = { ...lab.blank("recorded"), writeLog: join(folder, "writes.log") };
    writeFileSync(disk.writeLog, "");
    await lab.newHost();
    await lab.machine.attach(disk);
    await inScripts(mkfs(VOLUME));
    await lab.release(disk);
    writes = readWriteLog(disk.writeLog);
    expect(writes.length).toBeGreaterThan(5);

    const replayed = lab.blank("replayed");
    await lab.machine.attach(replayed);
    const seen = [await lookAt(VOLUME)];
    const apart = Math.ceil(writes.length / 12);
    for (const [index, write] of writes.entries()) {
      replay(replayed.file, write);
      // Every one of the first and the last, where it changes; between them one of each stretch: a look takes seconds here.
      const near = index < 4 || index >= writes.length - 6;
      if (near || index % apart === 0) seen.push((await lookAt(VOLUME)).replace(/^xfs .*/, "xfs"));
    }
    await lab.release(replayed);
    // First free, then ours and unfinished, then a file system; never anything that needs a person.
    expect(seen.filter((look, index) => look !== seen[index - 1])).toEqual(["blank", "unfinished", "xfs"]);
  }, 600_000);

  test.each([0.2, 0.5, 0.95])("a host that finds a format cut after %d of its writes finishes it", async (part) => {
    const disk = cutAfter(Math.max(1, Math.floor(writes.length * part)), `cut-${part * 100}`);
    await lab.machine.attach(disk);
    const answer = await lab.mount();
    expect(answer.output).toMatch(/formatting \w+ \(vol-\w+\), which is unfinished/);
    expect(await lab.machine.must("cat /data/.volume-id")).toBe(VOLUME);
    await lab.release(disk);
  });

  test("a format cut before the marker was written is taken as ours", async () => {
    const disk = cutAfter(writes.length, "unmarked");
    await lab.machine.attach(disk);
    const answer = await lab.mount();
    expect(answer.output).not.toContain("formatting");
    expect(await lab.machine.must("cat /data/.volume-id; stat -c %u /data")).toBe(`${VOLUME}\n10001`);
    await lab.release(disk);
  });

  test("a format that another volume's host began is left alone", async () => {
    const disk = { ...cutAfter(Math.floor(writes.length / 2), "not-ours"), serial: OTHER.replace("-", "") };
    await lab.machine.attach(disk);
    const answer = await lab.mount({ volume: OTHER });
    expect(answer.code).toBe(1);
    expect(answer.output).not.toContain("formatting");
    await lab.release(disk);
  });

  test("a power cut in the middle of a download costs only what was not on the disk yet", async () => {
    const disk = lab.blank("download");
    await lab.machine.attach(disk);
    expect((await lab.mount()).code).toBe(0);
    await lab.machine.must("echo whole >/data/fetched && sync -f /data/fetched");
    void lab.machine.run("while true; do cat /opt/image-gen/bin/* >>/data/half; done");
    await lab.machine.must("until [ -s /data/half ]; do sleep 0.1; done; sleep 1");
    await lab.machine.cutPower();

    // A new instance with a new root disk, and the volume that was there.
    lab = await Lab.start(folder, "after", [disk]);
    const answer = await lab.mount();
    expect(answer.output).toContain(`(${VOLUME}) is at /data`);
    expect(answer.output).not.toContain("formatting");
    expect(await lab.machine.must("cat /data/fetched /data/.volume-id")).toBe(`whole\n${VOLUME}`);
    expect(await lab.decoyIsUntouched()).toBe(true);
  });
});
