/**
 * The reference: pages that are made from the code. In: the checkout's sources, and service.json and
 * ci-permissions.json of docs/reference. Out: the text of each page by its name. Writes nothing, and starts no Python: `npm run docs` does both.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { DEFAULT_MODEL_ID } from "../../infra/contract.ts";
import { readManifest } from "../../infra/io/manifests.ts";
import { argumentFiles } from "./arguments.ts";
import { ciPermissionsPage, type PermissionSources } from "./ci-permissions.ts";
import { cliPage, exitCodesPage } from "./cli.ts";
import { configPage, type Descriptions } from "./config.ts";
import { contractPage } from "./contract.ts";
import { withCostTables } from "./costs.ts";
import { Declarations } from "./interfaces.ts";
import { jsonPage } from "./json-output.ts";
import { outputsPage } from "./outputs.ts";
import { PLUGIN_SCHEMA, pluginSchema } from "./plugin-schema.ts";
import { policiesPage } from "./policies.ts";
import { environmentPage, errorsPage, httpPage, imageGenPage, type ServiceFacts } from "./service.ts";

/** Written by hand, but for their tables. */
const PAGES_WITH_COSTS = ["docs/concepts/costs.md", "docs/guides/aws.md"];
const REFERENCE = "docs/reference";
export const SERVICE_FACTS = `${REFERENCE}/service.json`;
const PERMISSION_SOURCES = `${REFERENCE}/ci-permissions.json`;

/** The generated files of the checkout at `root`, by their paths in it: the pages, and the library's arguments. */
export function referencePages(root: string): Readonly<Record<string, string>> {
  const read = (file: string) => readFileSync(join(root, file), "utf8");
  const service = JSON.parse(read(SERVICE_FACTS)) as ServiceFacts;
  const project = parse(read("Pulumi.yaml")) as { name: string; config: Descriptions };
  const declarations = new Declarations(sources(root));
  const pages = {
    "config.md": configPage(project.name, project.config),
    "cli.md": cliPage(),
    "json-output.md": jsonPage(declarations, service),
    "exit-codes.md": exitCodesPage(service.exit_codes),
    "outputs.md": outputsPage(declarations),
    "environment.md": environmentPage(service),
    "http.md": httpPage(service),
    "errors.md": errorsPage(service),
    "image-gen.md": imageGenPage(service),
    "policies.md": policiesPage(),
    "contract.md": contractPage(),
    "ci-permissions.md": ciPermissionsPage(JSON.parse(read(PERMISSION_SOURCES)) as PermissionSources),
  };
  const { version } = JSON.parse(read("package.json")) as { version: string };
  const manifest = readManifest(DEFAULT_MODEL_ID, join(root, "image-gen/models"));
  if (manifest === null) throw new Error(`No manifest of ${DEFAULT_MODEL_ID}.`);
  return {
    ...Object.fromEntries(PAGES_WITH_COSTS.map((file) => [file, withCostTables(read(file), manifest)])),
    ...Object.fromEntries(Object.entries(pages).map(([name, text]) => [`${REFERENCE}/${name}`, text])),
    ...argumentFiles(project.config),
    [PLUGIN_SCHEMA]: pluginSchema(version, project.config),
  };
}

/** The TypeScript of the command and the program, by path. */
export function sources(root: string): Record<string, string> {
  const files = ["cli", "infra"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => `${folder}/${name}`),
  );
  const typescript = files.filter((file) => /\.m?ts$/.test(file) || file.endsWith(".mjs")).sort();
  return Object.fromEntries(typescript.map((file) => [file, readFileSync(join(root, file), "utf8")]));
}
