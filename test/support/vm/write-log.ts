import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

/** One write that a disk took. */
export interface Write {
  readonly offset: number;
  readonly data: Buffer;
}

const MAGIC = 0x6a736677736872n;
const DISCARD = 4n;

/** The writes that QEMU's `blklogwrites` kept, in their order: the format of dm-log-writes. */
export function readWriteLog(file: string): Write[] {
  const log = readFileSync(file);
  if (log.readBigUInt64LE(0) !== MAGIC) throw new Error(`${file} is no log of writes`);
  const entries = Number(log.readBigUInt64LE(16));
  const sector = log.readUInt32LE(24);
  const writes: Write[] = [];
  let at = sector;
  for (let entry = 0; entry < entries; entry += 1) {
    const length = Number(log.readBigUInt64LE(at + 8)) * sector;
    const flags = log.readBigUInt64LE(at + 16);
    const offset = Number(log.readBigUInt64LE(at)) * sector;
    at += sector;
    if ((flags & DISCARD) !== 0n) continue;
    if (length > 0) writes.push({ offset, data: log.subarray(at, at + length) });
    at += length;
  }
  return writes;
}

/** Applies logged writes to a disk's file. */
export function replay(file: string, { offset, data }: Write): void {
  const handle = openSync(file, "r+");
  writeSync(handle, data, 0, data.length, offset);
  closeSync(handle);
}
