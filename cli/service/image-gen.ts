import { EXIT_CODES } from "../../infra/contract.ts";
import { commandFor } from "../core/command-line.ts";
import { CliError, EXIT, type ExitCode } from "../core/exit.ts";

/** What one run of the command `image-gen` returned. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
}

export interface ExecOptions {
  /** Not in the running container: `docker exec` passes no signals on, so Ctrl-C would not reach the command. */
  readonly ownContainer?: boolean;
}

/** Runs `image-gen` where a stack's cache is. Its stderr (progress) is passed through. */
export type Exec = (args: readonly string[], options?: ExecOptions) => Promise<CommandResult>;

/** What `image-gen status --json` prints. */
export interface CacheStatus {
  readonly hf_home: string;
  readonly hub_cache: string;
  readonly mount: {
    readonly path: string;
    readonly is_mount: boolean;
    readonly filesystem: string;
    readonly bytes_total: number;
    readonly bytes_free: number;
  };
  readonly models: readonly CachedModel[];
  readonly bytes: number;
  /** Files and empty directories that nothing uses. */
  readonly orphans?: number;
  readonly bytes_orphaned?: number;
  /** A cache of the host that is only read; images older than this checkout leave it out. */
  readonly host_cache?: {
    readonly path: string;
    readonly problem?: string;
    readonly models: readonly HostModel[];
  } | null;
}

interface HostModel {
  readonly id: string;
  readonly bytes: number;
  readonly complete: boolean;
}

export interface CachedModel {
  readonly id: string;
  readonly revision: string | null;
  readonly bytes: number;
  readonly files: number;
  readonly complete: boolean;
  readonly source: string;
  readonly missing?: readonly string[];
  /** ISO times; null: never. Images older than this checkout leave them out. */
  readonly verified_at?: string | null;
  readonly last_used?: string | null;
  readonly in_use?: boolean;
  /** What a download has brought of files that are not complete, and the room that is reserved for the rest of them. */
  readonly bytes_partial?: number;
  readonly bytes_set_aside?: number;
  /** What other revisions of the model use as well, and what is missing. */
  readonly bytes_shared?: number;
  readonly bytes_lacking?: number;
  /** Branches and tags that mean this revision. */
  readonly refs?: readonly string[];
  /** Files of which no hash is known. */
  readonly unprovable?: readonly string[];
}

/** Runs `image-gen … --json` and parses its output; an exit code that is not in `allowed` is a failure. */
export async function execJson<T>(
  target: { readonly stack: string; readonly exec: Exec },
  args: readonly string[],
  allowed: readonly number[] = [0],
): Promise<T> {
  const { exitCode, stdout } = await target.exec([...args, "--json"]);
  const body = parseJson(stdout);
  if (!allowed.includes(exitCode)) {
    const reason = (body as { error?: { message?: string } } | undefined)?.error?.message;
    const message = reason ?? `image-gen ${args[0]} failed (exit code ${exitCode}).`;
    // The reason came on stderr as well, which is passed through.
    throw new CliError(message, toExitCode(exitCode), { isShown: reason !== undefined });
  }
  if (body !== undefined) return body as T;
  throw new CliError({
    message: `image-gen ${args[0]} printed no JSON; its image may be older than this checkout.`,
    fix: commandFor(target.stack, "up"),
  });
}

/** The codes that `image-gen` shares with `imagegen`; any other (of a container that was stopped, say) is a failure. */
export function toExitCode(exitCode: number | undefined): ExitCode {
  return Object.values(EXIT_CODES).find((code) => code === exitCode) ?? EXIT.failed;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
