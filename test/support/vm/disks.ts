import { createHash } from "node:crypto";
import { closeSync, createReadStream, ftruncateSync, openSync } from "node:fs";
import { basename } from "node:path";

/** A disk as the machine sees it: a file, and the serial that its controller tells. */
export interface Disk {
  readonly file: string;
  readonly serial: string;
  /** A read of this sector fails, always. */
  readonly badSector?: number;
  /** Every write is also kept here, in order. */
  readonly writeLog?: string;
}

/** XFS has no smaller file systems. */
const LEAST_BYTES = 320 * 1024 ** 2;

/** An EBS volume's serial is its id without the dash; an instance store's begins with AWS. */
export const serialOf = (volumeId: string) => volumeId.replace("-", "");

export function blankFile(file: string, bytes: number = LEAST_BYTES): string {
  const handle = openSync(file, "a");
  ftruncateSync(handle, bytes);
  closeSync(handle);
  return file;
}

export async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 4 * 1024 ** 2 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** The disk in the words of QEMU's block layer. A completed write is in the file: as on EBS, it survives a power cut. */
export function blockNode({ file, badSector, writeLog }: Disk, name: string): object {
  const raw = { driver: "raw", file: { driver: "file", filename: file } };
  if (badSector !== undefined)
    return {
      "node-name": name,
      driver: "blkdebug",
      image: raw,
      "inject-error": [{ event: "none", iotype: "read", errno: 5, sector: badSector, once: false }],
    };
  if (writeLog !== undefined)
    return { "node-name": name, driver: "blklogwrites", file: raw, log: { driver: "file", filename: writeLog } };
  return { "node-name": name, ...raw };
}

export const nodeName = (disk: Disk) => `d-${basename(disk.file).replace(/[^a-z0-9]/gi, "-")}`.slice(0, 31);
