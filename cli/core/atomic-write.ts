import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Replaces `file` as a whole, so that a reader or a crash sees the old content or the new, never a part. */
export function atomicWrite(file: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(file), { recursive: true });
  // Flushed: after a power cut the new name would have an empty file.
  writeFileSync(`${file}.new`, text, { mode, flush: true });
  renameSync(`${file}.new`, file);
}
