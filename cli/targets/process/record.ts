import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { atomicWrite } from "../../core/atomic-write.ts";

/** The running service, in .imagegen/process.json. */
export interface ProcessRecord {
  readonly pid: number;
  /** Distinguishes this process from a later one with the same pid. */
  readonly identity: string;
  readonly stack: string;
  readonly url: string;
  readonly port: number;
  readonly model: string;
  readonly startedAt: string;
  readonly log: string;
  /** Hash of all that the process was started with: settings, code and packages. */
  readonly fingerprint: string;
}

/** The record, if its process still lives; a stale one is removed. */
export function readRecord(file: string): ProcessRecord | undefined {
  if (!existsSync(file)) return undefined;
  const record = parseRecord(readFileSync(file, "utf8"));
  if (record && isAlive(record)) return record;
  rmSync(file, { force: true });
  return undefined;
}

export function writeRecord(file: string, record: ProcessRecord): void {
  atomicWrite(file, `${JSON.stringify(record, null, 2)}\n`, 0o644);
}

/** True while the very process of the record runs, and not another that was given its pid. */
export function isAlive(record: Pick<ProcessRecord, "pid" | "identity">): boolean {
  return identityOf(record.pid) === record.identity;
}

/** When the process began, as the system reports it; undefined when there is none, or only a zombie. */
export function identityOf(pid: number): string | undefined {
  try {
    if (process.platform !== "linux") {
      return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || undefined;
    }
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces; state is the first field after it, the start time the twentieth.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** Ends the record's process, first politely, after `graceSeconds` by force, and removes the record. */
export async function stopProcess(file: string, record: ProcessRecord, graceSeconds = 20): Promise<void> {
  const end = performance.now() + graceSeconds * 1000;
  signalProcess(record.pid, "SIGTERM");
  while (isAlive(record) && performance.now() < end) await sleep(100);
  // The whole group, so that a child of the service does not outlive it.
  if (isAlive(record)) signalProcess(process.platform === "win32" ? record.pid : -record.pid, "SIGKILL");
  while (isAlive(record)) await sleep(50);
  rmSync(file, { force: true });
}

function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in between.
  }
}

function parseRecord(text: string): ProcessRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<ProcessRecord>;
    return Number.isInteger(record.pid) && record.identity ? (record as ProcessRecord) : undefined;
  } catch {
    return undefined;
  }
}
