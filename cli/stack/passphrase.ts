import { randomBytes } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseDocument } from "yaml";
import { atomicWrite } from "../core/atomic-write.ts";
import { CliError, EXIT } from "../core/exit.ts";
import type { Paths } from "../core/paths.ts";

type Places = Pick<Paths, "home" | "passphrase" | "state" | "stacks" | "trackedStacks">;

/** How Pulumi marks an encrypted value in a state, and in a stack's config. */
const SECRETS = [/"4dabf18193072939515e22adb298388d":\s*"1b47061264138c4ac30d75fd1eb44270"/, /\bsecure"?:/];

/**
 * The file with the passphrase of this checkout's state, made once. A lost one is replaced only where `stack` loses no secret by
 * that: Pulumi then encrypts with the new one. Otherwise throws a CliError. Stacks that hold a secret are left alone.
 */
export function ownPassphrase(places: Places, stack: string, log: (line: string) => void): string {
  const { passphrase } = places;
  if (existsSync(passphrase)) return passphrase;
  requirePassphrase(places, stack, {});
  const { states, copies } = filesOf(places);
  const holders = new Set([...states, ...copies].filter(holdsSecret).map(stackOf));
  const isFree = (file: string) => !holders.has(stackOf(file));
  const encrypted = [
    ...states.filter((file) => isFree(file) && forgetProvider(file)),
    ...copies.filter((file) => isFree(file) && forgetSalt(file)),
  ];
  if (encrypted.length > 0)
    log("The passphrase of .imagegen/state is gone. The state has no secret, and gets a new one.");
  mkdirSync(places.home, { recursive: true });
  writeFileSync(passphrase, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  return passphrase;
}

/** Throws a CliError where only a passphrase that this shell does not have decrypts the secrets of `stack`. */
export function requirePassphrase(places: Places, stack: string, env: NodeJS.ProcessEnv = process.env): void {
  if (hasOwnPassphrase(env) || existsSync(places.passphrase)) return;
  const { states, copies } = filesOf(places);
  const holders = [...states, ...copies].filter((file) => stackOf(file) === stack && holdsSecret(file));
  if (holders.length === 0) return;
  const tracked = join(places.trackedStacks, `Pulumi.${stack}.yaml`);
  const salt = existsSync(tracked) ? saltIn(tracked) : undefined;
  throw salt !== undefined && holders.every((file) => file.endsWith(".yaml") && saltIn(file) === salt)
    ? foreign(stack)
    : lost(stack);
}

/** Whether the user's shell names the passphrase, an empty one too. */
export function hasOwnPassphrase(env: NodeJS.ProcessEnv): boolean {
  return env.PULUMI_CONFIG_PASSPHRASE !== undefined || Boolean(env.PULUMI_CONFIG_PASSPHRASE_FILE);
}

function filesOf({ state, stacks }: Places) {
  return {
    states: globSync(join(state, ".pulumi/stacks/**/*.json")),
    copies: globSync(join(stacks, "{Pulumi.*.yaml,*.overrides.json}")),
  };
}

const holdsSecret = (file: string) => SECRETS.some((mark) => mark.test(readFileSync(file, "utf8")));

const saltIn = (file: string): unknown => parseDocument(readFileSync(file, "utf8")).get("encryptionsalt");

/** The tracked file has secrets of the user's own `pulumi config set --secret`. */
function foreign(stack: string): CliError {
  const message = `The secrets in stacks/Pulumi.${stack}.yaml were encrypted with a passphrase that this shell does not have. They are unchanged.`;
  const fix = "export PULUMI_CONFIG_PASSPHRASE=… with the one that they were set with";
  return new CliError({ message, fix }, EXIT.missingPrerequisite);
}

function lost(stack: string): CliError {
  const message = `There is no .imagegen/passphrase, and nothing but that file, or the PULUMI_CONFIG_PASSPHRASE that was used in its place, decrypts the secrets of ${stack} in .imagegen. They are unchanged.`;
  const fix =
    "put the file back, or export the variable; where both are lost: docs/troubleshooting.md#a-lost-passphrase";
  return new CliError({ message, fix }, EXIT.missingPrerequisite);
}

const stackOf = (file: string) => basename(file).replace(/^Pulumi\.|(\.overrides)?\.(json|yaml)$/g, "");

/** Takes the old passphrase's provider out of a state without secrets; false when it has none. */
function forgetProvider(file: string): boolean {
  const state = JSON.parse(readFileSync(file, "utf8")) as { checkpoint?: { latest?: { secrets_providers?: unknown } } };
  const { latest } = state.checkpoint ?? {};
  if (!latest?.secrets_providers) return false;
  delete latest.secrets_providers;
  atomicWrite(file, JSON.stringify(state, null, 4));
  return true;
}

/** Takes the old passphrase's salt out of a working copy; false when it has none. */
function forgetSalt(file: string): boolean {
  if (!file.endsWith(".yaml")) return false;
  const copy = parseDocument(readFileSync(file, "utf8"));
  if (!copy.has("encryptionsalt")) return false;
  copy.delete("encryptionsalt");
  atomicWrite(file, copy.toString({ lineWidth: 0 }));
  return true;
}
