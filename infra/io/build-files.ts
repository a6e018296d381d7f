import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { ImagePlan } from "../plan/image.ts";

/** Relative, like all paths of the build: the stack's state is the same wherever the project lies. */
const TOKEN_FILE = ".imagegen/build-secrets/hf_token";

/** Makes room for the build's log, and empties the last one. A preview leaves it. */
export function prepareBuildLog({ logFile }: Pick<ImagePlan, "logFile">, preview: boolean): void {
  if (preview) return;
  mkdirSync(dirname(logFile), { recursive: true });
  writeFileSync(logFile, "");
}

/** The end of the build's log as an error of the failed resource; the build is not tried again. */
export function showBuildLog({ logFile }: Pick<ImagePlan, "logFile">): pulumi.ErrorHook {
  return new pulumi.ErrorHook("show-build-log", async () => {
    await pulumi.log.error(`The image could not be built. The end of ${logFile}:\n${lastLogLines(logFile)}`);
    return false;
  });
}

/** The last lines of a build's log, without the empty ones. */
export function lastLogLines(path: string, count = 25): string {
  try {
    const lines = readFileSync(path, "utf8").split("\n");
    return lines
      .filter((line) => line.trim() !== "")
      .slice(-count)
      .join("\n");
  } catch {
    return "(there is none)";
  }
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
