/**
 * The test machine: a Debian with a real kernel under software emulation, as a stand-in for EC2 with EBS.
 * In: the scripts beside this file. Out: its disk image, built once and kept outside the checkout by its content's hash.
 * Must not be built by two at once, nor twice.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

export interface TestImage {
  readonly disk: string;
  readonly kernel: string;
}

const here = import.meta.dirname;
const TOOLS = ["qemu-system-x86_64", "qemu-img", "mmdebstrap", "mke2fs", "mkfs.xfs", "sfdisk", "lz4", "genisoimage"];
const kept = process.env.IMAGEGEN_TEST_MACHINES ?? join(tmpdir(), "imagegen-test-machines");

/** Why the test machine can't run here, in one line; undefined when it can. */
export async function missingForMachines(): Promise<string | undefined> {
  if (process.platform !== "linux" || process.arch !== "x64") return "the test machine needs Linux on x64.";
  const missing: string[] = [];
  for (const tool of TOOLS) {
    const found = await execa("sh", ["-c", 'command -v "$0"', tool], { reject: false, env: { PATH: searched } });
    if (found.exitCode !== 0) missing.push(tool);
  }
  if (missing.length > 0)
    return `${missing.join(", ")} missing (Debian: apt-get install qemu-system-x86 qemu-utils mmdebstrap e2fsprogs xfsprogs fdisk lz4 genisoimage).`;
  if (!existsSync(folder()) && process.getuid?.() !== 0) return "building the test machine's image needs root.";
  return undefined;
}

/** Debian keeps mkfs and its like where only root looks. */
export const searched = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;

export async function testImage(): Promise<TestImage> {
  const made = folder();
  if (!existsSync(made)) {
    const making = `${made}.${process.pid}`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making, { recursive: true });
    await execa("bash", [join(here, "build-image.sh"), making], { env: { PATH: searched } });
    // An older image is of no more use.
    for (const old of readdirSync(kept)) if (!making.endsWith(old)) rmSync(join(kept, old), { recursive: true });
    renameSync(making, made);
  }
  return { disk: join(made, "root.img"), kernel: join(made, "vmlinux") };
}

function folder(): string {
  const hash = createHash("sha256").update(readFileSync(join(here, "build-image.sh")));
  for (const name of readdirSync(join(here, "guest")).sort()) hash.update(readFileSync(join(here, "guest", name)));
  return join(kept, hash.digest("hex").slice(0, 16));
}
