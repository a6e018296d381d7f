import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { LOG_PREFIX } from "../../../infra/contract.ts";
import { lastLine } from "../../core/exit.ts";
import type { Paths } from "../../core/paths.ts";

/** Bytes after which a start begins a new file; Docker's log driver has the same limit. */
const LIMIT = 10_000_000;

/** Where the log of a stack's process is. */
export const serviceLogFile = ({ logs }: Pick<Paths, "logs">, stack: string) => join(logs, `service-${stack}.log`);

/** The log of a stack's process, which each start continues. A long one is moved to `<log>.1` first. */
export function serviceLog(paths: Pick<Paths, "logs">, stack: string, limit = LIMIT): string {
  const log = serviceLogFile(paths, stack);
  mkdirSync(paths.logs, { recursive: true });
  if (existsSync(log) && statSync(log).size > limit) {
    rmSync(`${log}.1`, { force: true });
    renameSync(log, `${log}.1`);
  }
  return log;
}

export function logSize(log: string): number {
  return existsSync(log) ? statSync(log).size : 0;
}

/** The last thing that a service wrote after byte `from`, which is why it ended. */
export function lastWords(log: string, from: number): string {
  const text = existsSync(log) ? readFileSync(log).subarray(from).toString("utf8") : "";
  const line = lastLine(text);
  const message = messageOf(line);
  if (message !== undefined) return message;
  const prefix = line.indexOf(LOG_PREFIX);
  return line.slice(prefix === -1 ? 0 : prefix + LOG_PREFIX.length) || "it wrote nothing";
}

/** Of a line that the service wrote as JSON. */
function messageOf(line: string): string | undefined {
  try {
    const { message } = JSON.parse(line) as { message?: unknown };
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}
