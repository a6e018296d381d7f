import type { LocalSettings } from "../../infra/config/settings.ts";
import { commandFor } from "../core/command-line.ts";
import type { Context } from "../core/context.ts";
import { requireFreePort } from "../core/ports.ts";
import { readRecords } from "./process/record.ts";

/** Throws a CliError that names the owner when a stack's port is another's than its own process's. */
export async function requirePort(
  { paths, files }: Context,
  { port, bindAddress }: Pick<LocalSettings, "port" | "bindAddress">,
): Promise<void> {
  const process = readRecords(paths).find((record) => record.port === port);
  if (process?.stack === files.name) return;
  await requireFreePort(port, {
    host: bindAddress,
    owner: process && `the service of the stack ${process.stack} (pid ${process.pid})`,
    fix(next) {
      const other = commandFor(files.name, `up --port ${next}`);
      return process ? `${other}, or ${commandFor(process.stack, "down")}` : other;
    },
  });
}
