import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { atomicWrite } from "../../core/atomic-write.ts";
import type { Paths } from "../../core/paths.ts";
import { identityOf } from "../../core/process-identity.ts";

type Places = Pick<Paths, "processes" | "oldProcessFile">;

/** The running service of one stack, in .imagegen/processes/<stack>.json. */
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
  /** Hashes of what the fingerprint is made of, by name, so that a difference can be named. Absent in old records. */
  readonly parts?: Readonly<Record<string, string>>;
}

/** The record of the stack's process, if that lives. A stale one is removed. */
export function readRecord(places: Places, stack: string): ProcessRecord | undefined {
  adoptOldRecord(places);
  return liveRecord(fileOf(places, stack));
}

/** The records of every stack's process that lives. */
export function readRecords(places: Places): ProcessRecord[] {
  adoptOldRecord(places);
  const files = existsSync(places.processes) ? readdirSync(places.processes) : [];
  return files
    .filter((file) => file.endsWith(".json"))
    .flatMap((file) => liveRecord(join(places.processes, file)) ?? []);
}

export function writeRecord(places: Places, record: ProcessRecord): void {
  atomicWrite(fileOf(places, record.stack), `${JSON.stringify(record, null, 2)}\n`);
}

function removeRecord(places: Places, { stack }: Pick<ProcessRecord, "stack">): void {
  rmSync(fileOf(places, stack), { force: true });
}

function fileOf({ processes }: Places, stack: string): string {
  return join(processes, `${stack}.json`);
}

function liveRecord(file: string): ProcessRecord | undefined {
  if (!existsSync(file)) return undefined;
  const record = parseRecord(readFileSync(file, "utf8"));
  if (record && isAlive(record)) return record;
  rmSync(file, { force: true });
  return undefined;
}

/** Gives the one record of a release before 0.2 the place of its stack. */
function adoptOldRecord(places: Places): void {
  const old = liveRecord(places.oldProcessFile);
  if (!old) return;
  if (!existsSync(fileOf(places, old.stack))) writeRecord(places, old);
  rmSync(places.oldProcessFile, { force: true });
}

/** True while the very process of the record runs, and not another that was given its pid. */
export function isAlive(record: Pick<ProcessRecord, "pid" | "identity">): boolean {
  return identityOf(record.pid) === record.identity;
}

/** Ends the record's process, first politely, after `graceSeconds` by force, and removes the record. */
export async function stopProcess(places: Places, record: ProcessRecord, graceSeconds = 20): Promise<void> {
  const end = performance.now() + graceSeconds * 1000;
  signalProcess(record.pid, "SIGTERM");
  while (isAlive(record) && performance.now() < end) await sleep(100);
  // The whole group, so that a child of the service does not outlive it.
  if (isAlive(record)) signalProcess(process.platform === "win32" ? record.pid : -record.pid, "SIGKILL");
  while (isAlive(record)) await sleep(50);
  removeRecord(places, record);
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
