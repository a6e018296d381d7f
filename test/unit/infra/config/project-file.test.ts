import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { parseSettings } from "../../../../infra/config/parse.ts";
import { wordForPulumi } from "../../../../infra/config/problem.ts";
import { ALL_KEYS } from "../../../../infra/config/schema.ts";
import { PROJECT } from "../../../../infra/contract.ts";

const project = parse(readFileSync("Pulumi.yaml", "utf8")) as {
  name: string;
  runtime: unknown;
  main?: string;
  stackConfigDir: string;
  config: Record<string, { type: string; description: string; default: unknown }>;
};

test("Pulumi.yaml declares every key with the type and default that the program has", () => {
  const declared = Object.entries(project.config).map(([key, { type, default: value }]) => [key, type, String(value)]);
  const known = Object.entries(ALL_KEYS).map(([key, { type, default: value }]) => [key, type, value]);
  expect(declared.sort()).toEqual(known.sort());
});

test("every key is described", () => {
  for (const { description } of Object.values(project.config)) expect(description).toMatch(/^[A-Z`].+\.$/);
});

test("Node runs the TypeScript itself, from the project's folder", () => {
  expect(project.name).toBe(PROJECT);
  expect(project.runtime).toEqual({ name: "nodejs", options: { typescript: false } });
  expect(project.main).toBeUndefined();
});

const files = readdirSync(project.stackConfigDir).filter((file) => file.endsWith(".yaml"));
const stacks = files.map((file) => {
  const { config } = parse(readFileSync(`${project.stackConfigDir}/${file}`, "utf8")) as { config: object };
  const raw = Object.entries(config).map(([key, value]) => [key.replace(`${PROJECT}:`, ""), String(value)]);
  const { "aws:region": region, ...own } = Object.fromEntries(raw) as Record<string, string>;
  // Which repository is the user's to say.
  const parsed = parseSettings({ ...(own.target === "ci" ? { repository: "org/repo" } : {}), ...own }, { region });
  if ("problems" in parsed) throw new Error(`${file}: ${parsed.problems.map(wordForPulumi).join("\n")}`);
  return parsed.settings;
});

test("each stack's file is valid", () => {
  expect(files.sort()).toEqual([
    "Pulumi.aws-baked.yaml",
    "Pulumi.aws-fleet.yaml",
    "Pulumi.aws-volume.yaml",
    "Pulumi.canary.yaml",
    "Pulumi.ci.yaml",
    "Pulumi.local-baked.yaml",
    "Pulumi.local-fleet.yaml",
    "Pulumi.local.yaml",
  ]);
});

test("no two stacks of this machine share a name or a port", () => {
  const local = stacks.filter((settings) => settings.target === "local");
  for (const key of ["containerName", "volumeName", "port"] as const) {
    expect(new Set(local.map((settings) => settings[key])).size).toBe(3);
  }
});

test("the stacks on AWS differ by where the model is, and by the tunnel's port", () => {
  const [baked, volume] = stacks.filter((settings) => settings.target === "aws");
  expect(baked).toEqual({ ...volume, modelCache: "baked", port: 8001 });
});
