/**
 * The reference: pages that are made from the code. In: the checkout's sources and docs/reference/service.json. Out: the
 * text of each page by its name. Writes nothing, and starts no Python: `npm run docs` does both.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { cliPage, exitCodesPage } from "./cli.ts";
import { configPage, type Descriptions } from "./config.ts";
import { contractPage } from "./contract.ts";
import { Declarations } from "./interfaces.ts";
import { jsonPage } from "./json-output.ts";
import { outputsPage } from "./outputs.ts";
import { policiesPage } from "./policies.ts";
import { environmentPage, errorsPage, httpPage, imageGenPage, type ServiceFacts } from "./service.ts";

const REFERENCE = "docs/reference";
export const SERVICE_FACTS = `${REFERENCE}/service.json`;

/** The generated pages of the checkout at `root`, by their paths in it. */
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
  };
  return Object.fromEntries(Object.entries(pages).map(([name, text]) => [`${REFERENCE}/${name}`, text]));
}

/** The TypeScript of the command and the program, by path. */
export function sources(root: string): Record<string, string> {
  const files = ["cli", "infra"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => `${folder}/${name}`),
  );
  const typescript = files.filter((file) => /\.m?ts$/.test(file) || file.endsWith(".mjs")).sort();
  return Object.fromEntries(typescript.map((file) => [file, readFileSync(join(root, file), "utf8")]));
}
