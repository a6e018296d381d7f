/** Which disk a host takes for a directory, by a kernel's files that the test wrote, and with stand-ins of all that writes: a host of a fleet for its data, one with a volume for a copy of the model. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { INSTANCE_STORE_MARKER } from "../../../../infra/contract.ts";

const SCRIPT = "infra/aws/host/files/instance-store/data-volume";
const STORE = "Amazon EC2 NVMe Instance Storage";
const EBS = "Amazon Elastic Block Store";
let folder: string;

interface Disk {
  readonly model: string;
  readonly serial: string;
  readonly size?: number;
  readonly partitions?: boolean;
  readonly held?: boolean;
  readonly mounted?: boolean;
}

/** A directory in which the script runs: `mkfs.xfs` and `mount` only write down what they were asked for. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-store-"));
  mkdirSync(join(folder, "state/trouble"), { recursive: true });
  mkdirSync(join(folder, "data"));
  cpSync(SCRIPT, join(folder, "data-volume"));
  const script = (name: string, text: string) => {
    writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  const trouble = `trouble() { printf '%s' "$2" >"$state/trouble/$1"; printf '%s\\n' "$2" >&2; }; resolved() { rm -f "$state/trouble/$1"; }`;
  const names = `state=${folder}/state IMAGE_GEN_DATA=${folder}/data IMAGE_GEN_USER=$(id -u):$(id -g)`;
  writeFileSync(join(folder, "lib"), `set -euo pipefail\n${names}\nsay() { printf '%s\\n' "$*" >&2; }\n${trouble}\n`);
  // What is at the data directory is the disk that was mounted last.
  script(
    "findmnt",
    `case "$*" in
  *--source*) grep -qx "\${*: -1}" ${folder}/mounts 2>/dev/null ;;
  *OPTIONS*) echo rw,noatime ;;
  *) [ -s ${folder}/at ] && cat ${folder}/at ;;
esac`,
  );
  script("mkfs.xfs", `echo "\${*: -1}" >>${folder}/formatted`);
  script(
    "mount",
    `[ ! -e ${folder}/unmountable ] || { rm ${folder}/unmountable; exit 32; }
for word; do case $word in /dev/*) echo "$word" >${folder}/at ;; esac; done`,
  );
  script("umount", `rm -f ${folder}/at`);
  // The test's file system may not be read past its cache, which the script asks of a disk.
  script("dd", `for word; do case $word in if=*) cat "\${word#if=}" ;; esac; done`);
  script("sync", ":");
  script("chown", ":");
});
afterEach(() => rmSync(folder, { recursive: true }));

function attach(disks: Readonly<Record<string, Disk>>): void {
  for (const [
    name,
    { model, serial, size = 1000, partitions = false, held = false, mounted = false },
  ] of Object.entries(disks)) {
    const block = join(folder, "block", name);
    mkdirSync(join(block, "device"), { recursive: true });
    mkdirSync(join(block, "holders"));
    // The kernel fills both up with blanks.
    writeFileSync(join(block, "device/model"), `${model.padEnd(40)}\n`);
    writeFileSync(join(block, "device/serial"), `${serial.padEnd(20)}\n`);
    writeFileSync(join(block, "size"), `${size}\n`);
    if (partitions) mkdirSync(join(block, `${name}p1`));
    if (held) mkdirSync(join(block, "holders/dm-0"));
    if (mounted) writeFileSync(join(folder, "mounts"), `/dev/${name}\n`);
  }
}

async function run(word: string, env: Record<string, string> = {}) {
  const { exitCode, all } = await execa(join(folder, "data-volume"), [word], {
    env: {
      PATH: `${folder}:${process.env.PATH}`,
      IMAGE_GEN_BLOCKS: join(folder, "block"),
      IMAGE_GEN_STORE_WAIT: "0",
      ...env,
    },
    reject: false,
    all: true,
  });
  const formatted = join(folder, "formatted");
  return { exitCode, all, formatted: existsSync(formatted) ? readFileSync(formatted, "utf8").trim().split("\n") : [] };
}

const ROOT: Disk = { model: EBS, serial: "vol0123456789abcdef0", size: 9000, partitions: true };
const store = (disk: Partial<Disk> = {}): Disk => ({ model: STORE, serial: "AWS0A1B2C3D4E5F60718", ...disk });

test("the instance store is formatted and mounted, and the root disk before it is left alone", async () => {
  attach({ nvme0n1: ROOT, nvme1n1: store() });
  expect(await run("mount")).toMatchObject({ exitCode: 0, formatted: ["/dev/nvme1n1"] });
  expect(readFileSync(join(folder, "at"), "utf8").trim()).toBe("/dev/nvme1n1");
});

test("of several the largest is taken", async () => {
  attach({
    nvme0n1: store({ size: 500 }),
    nvme1n1: ROOT,
    nvme2n1: store({ size: 8000 }),
    nvme3n1: store({ size: 8000 }),
  });
  expect((await run("mount")).formatted).toEqual(["/dev/nvme2n1"]);
});

test.each([
  ["an EBS volume, blank or not", { model: EBS, serial: "vol0aaaaaaaaaaaaaaa1" }],
  ["an EBS volume that calls itself an instance store", store({ serial: "vol0aaaaaaaaaaaaaaa1" })],
  ["a disk without a serial", store({ serial: "" })],
  ["a disk of another make", store({ model: "Amazon EC2 NVMe Instance Storage Plus" })],
])("%s is no instance store: nothing is written", async (_, disk) => {
  attach({ nvme0n1: ROOT, nvme1n1: disk });
  const answer = await run("mount");
  expect(answer).toMatchObject({ exitCode: 1, formatted: [] });
  expect(answer.all).toMatch(/^instance store: no disk of the model "Amazon EC2 NVMe Instance Storage"\. Fix: /);
  expect(existsSync(join(folder, "at"))).toBe(false);
});

test.each([
  ["has partitions", { partitions: true }],
  ["is held by another device", { held: true }],
  ["is mounted elsewhere", { mounted: true }],
])("one that %s is in use: nothing is written", async (_, disk) => {
  attach({ nvme1n1: store(disk) });
  const answer = await run("mount");
  expect(answer).toMatchObject({ exitCode: 1, formatted: [] });
  expect(answer.all).toMatch(/^instance store: nvme1n1 is in use\. Fix: /);
});

test("within a boot it is formatted once, and at the next boot again", async () => {
  attach({ nvme1n1: store() });
  await run("mount");
  expect(await run("check")).toMatchObject({ exitCode: 0 });
  expect((await run("mount")).formatted).toHaveLength(1);
  writeFileSync(join(folder, "data/.instance-store"), "00000000-0000-0000-0000-000000000000\n");
  expect((await run("check")).all).toContain("it was formatted at another boot");
  expect((await run("mount")).formatted).toHaveLength(2);
});

test("what is mounted at the data directory and is no instance store is no data directory", async () => {
  attach({ nvme0n1: ROOT });
  writeFileSync(join(folder, "at"), "/dev/nvme0n1\n");
  const check = await run("check");
  expect(check).toMatchObject({ exitCode: 1 });
  expect(check.all).toContain("is on nvme0n1, which is no instance store");
});

describe("beside a volume, for a copy of the model", () => {
  const copyRun = (word = "mount") => run(word, { IMAGE_GEN_INSTANCE_STORE: join(folder, "copy") });
  const trouble = () => readdirSync(join(folder, "state/trouble"));

  test("a blank disk is formatted, at a directory of its own", async () => {
    attach({ nvme0n1: ROOT, nvme1n1: store() });
    expect(await copyRun()).toMatchObject({ exitCode: 0, formatted: ["/dev/nvme1n1"] });
    expect(readdirSync(join(folder, "copy"))).toEqual([INSTANCE_STORE_MARKER]);
    expect([readdirSync(join(folder, "data")), trouble(), readdirSync(join(folder, "state"))]).toEqual([
      [],
      [],
      ["data-volume.lock", "trouble"],
    ]);
    expect((await copyRun()).formatted).toHaveLength(1);
  });

  test("what is on it outlives a reboot", async () => {
    attach({ nvme1n1: store() });
    await copyRun();
    rmSync(join(folder, "at"));
    writeFileSync(join(folder, "copy/.instance-store"), "00000000-0000-0000-0000-000000000000\n");
    const again = await copyRun();
    expect(again).toMatchObject({ exitCode: 0, all: expect.stringContaining("with what is on it") });
    expect(again.formatted).toHaveLength(1);
  });

  test.each(["can't be mounted", "has no marker"])("one that %s is formatted", async (why) => {
    attach({ nvme1n1: store() });
    await copyRun();
    rmSync(join(folder, "at"));
    if (why === "has no marker") rmSync(join(folder, "copy/.instance-store"));
    else writeFileSync(join(folder, "unmountable"), "");
    const again = await copyRun();
    expect([again.exitCode, again.formatted]).toEqual([0, ["/dev/nvme1n1", "/dev/nvme1n1"]]);
  });

  test.each([
    ["no disk but the volume's", { model: EBS, serial: "vol0aaaaaaaaaaaaaaa1" }],
    ["a volume that calls itself an instance store", store({ serial: "vol0aaaaaaaaaaaaaaa1" })],
    ["one that is mounted elsewhere", store({ mounted: true })],
    ["one with partitions", store({ partitions: true })],
  ])("with %s there is one line, no trouble of the host, and nothing is written", async (_, disk) => {
    attach({ nvme0n1: ROOT, nvme1n1: disk });
    const answer = await copyRun();
    expect(answer).toMatchObject({ exitCode: 1, formatted: [] });
    expect(answer.all).toMatch(/^instance store: .+\. The model is loaded from the volume\.$/);
    expect([existsSync(join(folder, "at")), existsSync(join(folder, "copy")), trouble()]).toEqual([false, false, []]);
  });
});
