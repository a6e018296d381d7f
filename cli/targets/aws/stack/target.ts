import type { Context } from "../../../core/context.ts";
import { readText } from "../../../stack/config.ts";

/** True for stacks whose service runs on a host in AWS. */
export function isAws({ files }: Pick<Context, "files">): boolean {
  return readText(files.config(), "target") === "aws";
}
