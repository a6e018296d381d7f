import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds between two looks at a file that is followed. */
const INTERVAL_MS = 250;

/** The last `count` lines of a file, and the byte from which to read on. */
export function readTail(file: string, count: number): { text: string; end: number } {
  const data = readFileSync(file);
  const lines = data.toString("utf8").split("\n");
  const finished = lines.at(-1) === "" ? lines.slice(0, -1) : lines;
  const kept = count === 0 ? [] : finished.slice(-count);
  return { text: kept.length > 0 ? `${kept.join("\n")}\n` : "", end: data.length };
}

/** Writes what is added to `file` after byte `from`, until `signal`; a file that was truncated is read from its start. */
export async function followFile(
  file: string,
  from: number,
  write: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let position = from;
  while (!signal.aborted) {
    const handle = openSync(file, "r");
    try {
      const { size } = fstatSync(handle);
      if (size < position) position = 0;
      if (size > position) {
        const chunk = Buffer.alloc(size - position);
        position += readSync(handle, chunk, 0, chunk.length, position);
        write(decoder.write(chunk));
      }
    } finally {
      closeSync(handle);
    }
    await sleep(INTERVAL_MS, undefined, { signal }).catch(() => {});
  }
}
