/** What each version left, in `test/fixtures/<version>`; `npm run fixtures` writes that of the present one. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { parse } from "yaml";
import type { Thing } from "../../aws-fake/kind.ts";
import type { StackExport } from "../../scripts/preview/deployment.ts";
import { paths } from "./paths.ts";

const FOLDER = join(paths.root, "test/fixtures");

/** Stands in a fixture for the folder of the checkout. */
export const HERE = "<checkout>";

export const VERSIONS = readdirSync(FOLDER, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

export const fixture = (version: string, ...path: string[]) => join(FOLDER, version, ...path);

export const readFixture = (version: string, ...path: string[]) => readFileSync(fixture(version, ...path), "utf8");

/** A state that a stack of the version left, as if its checkout had been in `directory`. */
export const recordedState = (version: string, stack: string, directory = "/a/checkout") =>
  readCompressed(fixture(version, "states", `${stack}.json.gz`), directory) as StackExport;

/** What was in the account of the stacks on AWS. */
export const recordedAccount = (version: string, directory: string) =>
  readCompressed(fixture(version, "states", "account.json.gz"), directory) as Thing[];

function readCompressed(file: string, directory: string): unknown {
  return JSON.parse(gunzipSync(readFileSync(file)).toString().replaceAll(HERE, directory));
}

/** The config of the stack that the state is of, with its namespaces. */
export function recordedConfig(version: string, stack: string): Readonly<Record<string, string>> {
  const { config } = parse(readFixture(version, "states", `Pulumi.${stack}.yaml`)) as { config: object };
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, String(value)]));
}

/** The stacks whose states the version left. */
export function recordedStacks(version: string): string[] {
  const files = readdirSync(fixture(version, "states"));
  return files.flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []).sort();
}
