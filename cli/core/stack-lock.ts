import { linkSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { atomicWrite } from "./atomic-write.ts";
import { CliError, EXIT } from "./exit.ts";
import type { Paths } from "./paths.ts";
import { identityOf } from "./process-identity.ts";

/** Who holds the lock. */
interface Holder {
  readonly pid: number;
  readonly identity: string;
  readonly command: string;
  readonly since: string;
}

/**
 * Runs `action` while no other process changes the same stack. Throws a CliError at once when one does; a lock that a
 * killed process left is taken over.
 */
export async function withStackLock<T>(
  { stacks }: Pick<Paths, "stacks">,
  stack: string,
  command: string,
  action: () => Promise<T>,
): Promise<T> {
  const file = join(stacks, `${stack}.lock`);
  acquire(
    file,
    { pid: process.pid, identity: identityOf(process.pid) ?? "", command, since: new Date().toISOString() },
    stack,
  );
  try {
    return await action();
  } finally {
    rmSync(file, { force: true });
  }
}

function acquire(file: string, holder: Holder, stack: string): void {
  const own = `${file}.${holder.pid}`;
  atomicWrite(own, JSON.stringify(holder));
  try {
    if (link(own, file)) return;
    const other = read(file);
    if (other && isAlive(other)) throw held(stack, other);
    // Moved aside first: of two that find the same stale lock, one moves it.
    const stale = `${own}.stale`;
    rename(file, stale);
    const moved = read(stale);
    if (moved && isAlive(moved)) link(stale, file);
    rmSync(stale, { force: true });
    const now = moved && isAlive(moved) ? moved : link(own, file) ? undefined : read(file);
    if (now) throw held(stack, now);
  } finally {
    rmSync(own, { force: true });
  }
}

function held(stack: string, { pid, command, since }: Holder): CliError {
  const message = `Another command (${command}) works on the stack ${stack} (pid ${pid}, since ${since.slice(11, 19)} UTC); nothing was changed.`;
  return new CliError({ message, fix: `wait until it ends, or kill ${pid}` }, EXIT.failed);
}

const isAlive = ({ pid, identity }: Holder) => identityOf(pid) === identity;

/** Gives a file a second name, which fails where that exists: the one way to be first. */
function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function read(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Holder;
  } catch {
    return undefined;
  }
}
