import { randomBytes } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseDocument } from "yaml";
import { atomicWrite } from "../core/atomic-write.ts";
import { CliError, EXIT } from "../core/exit.ts";
import type { Paths } from "../core/paths.ts";

type Places = Pick<Paths, "home" | "passphrase" | "state" | "stacks">;

/** How Pulumi marks an encrypted value in a state, and in a stack's config. */
const SECRETS = [/"4dabf18193072939515e22adb298388d":\s*"1b47061264138c4ac30d75fd1eb44270"/, /\bsecure"?:/];

/**
 * The file with the passphrase of this checkout's state, made once. A lost one is replaced only where no secret is lost by
 * that: Pulumi then encrypts with the new one. Otherwise throws a CliError that names the stacks.
 */
export function ownPassphrase(places: Places, log: (line: string) => void): string {
  const { passphrase } = places;
  if (existsSync(passphrase)) return passphrase;
  const states = globSync(join(places.state, ".pulumi/stacks/**/*.json"));
  const copies = globSync(join(places.stacks, "{Pulumi.*.yaml,*.overrides.json}"));
  const holders = [...states, ...copies].filter((file) =>
    SECRETS.some((mark) => mark.test(readFileSync(file, "utf8"))),
  );
  if (holders.length > 0) throw lost([...new Set(holders.map(stackOf))]);
  const encrypted = [...states.filter(forgetProvider), ...copies.filter(forgetSalt)];
  if (encrypted.length > 0)
    log("The passphrase of .imagegen/state is gone. The state has no secret, and gets a new one.");
  mkdirSync(places.home, { recursive: true });
  writeFileSync(passphrase, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  return passphrase;
}

function lost(stacks: readonly string[]): CliError {
  const message = `.imagegen/passphrase is gone, and nothing else decrypts the secrets of ${stacks.join(", ")} in .imagegen. Nothing was changed.`;
  const fix = "put the file back; where it is lost: docs/troubleshooting.md#a-lost-passphrase";
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
