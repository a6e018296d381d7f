import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { buildFailure } from "../plan/build-log.ts";
import type { ImagePlan } from "../plan/image.ts";

/** Relative, like all paths of the build: the stack's state is the same wherever the project lies. */
const TOKEN_FILE = ".imagegen/build-secrets/hf_token";

/** Makes room for the build's log, and empties the last one. A preview leaves it. */
export function prepareBuildLog({ logFile }: Pick<ImagePlan, "logFile">, preview: boolean): void {
  if (preview) return;
  mkdirSync(dirname(logFile), { recursive: true });
  writeFileSync(logFile, "");
}

/** Why the build failed, in one line, then the end of its log: the provider's own error is an exit code. No second try. */
export function showBuildLog({ logFile }: Pick<ImagePlan, "logFile">): pulumi.ErrorHook {
  return new pulumi.ErrorHook("show-build-log", async () => {
    const failure = buildFailure(readLog(logFile) ?? "");
    const fix = failure?.fix ? ` Fix: ${failure.fix}` : "";
    await pulumi.log.error(`The image could not be built${failure ? `: ${failure.cause}` : ""}.${fix}`);
    await pulumi.log.error(`The end of ${logFile}:\n${lastLogLines(logFile)}`);
    return false;
  });
}

function readLog(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** The last lines of a build's log, without the empty ones. */
export function lastLogLines(path: string, count = 25): string {
  const lines = readLog(path)?.split("\n") ?? ["(there is none)"];
  return lines
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .join("\n");
}

/**
 * Puts the token where BuildKit can read it, for this program's lifetime and this user only; undefined when the build
 * needs none. BuildKit takes secrets from files or from the environment of the provider, which config can't reach.
 */
export function buildTokenFile(
  { secrets }: Pick<ImagePlan, "secrets">,
  hfToken: pulumi.Output<string> | undefined,
  preview: boolean,
): pulumi.Output<string> | undefined {
  if (hfToken === undefined || !secrets.includes("hf_token")) return undefined;
  if (preview) return pulumi.output(TOKEN_FILE);
  const written = hfToken.apply((token) => {
    mkdirSync(dirname(TOKEN_FILE), { recursive: true, mode: 0o700 });
    process.once("exit", () => rmSync(TOKEN_FILE, { force: true }));
    writeFileSync(TOKEN_FILE, token, { mode: 0o600 });
    return TOKEN_FILE;
  });
  // The path is no secret; unmarked, a preview shows it.
  return pulumi.unsecret(written);
}
