/** What the program asks AWS for and what the roles of CI may do are the same: a resource type or a function that is new needs an entry. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LOOKUPS, SDK_CALLS } from "../../infra/plan/ci/permissions/lookups.ts";
import { PARTS } from "../../infra/plan/ci/permissions/table.ts";

/** TypeScript of the program on AWS, without the stack for CI. */
const sources = ["infra/aws", "infra/io"].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("ci/"))
    .map((file) => readFileSync(`${folder}/${file}`, "utf8")),
);
const found = (pattern: RegExp) =>
  [...new Set(sources.flatMap((text) => [...text.matchAll(pattern)].map(([, name = ""]) => name)))].sort();

/** `ec2.Vpc` as the table has it: `aws:ec2/vpc:Vpc`. */
const tokenOf = (name: string) => {
  const [module = "", type = ""] = name.split(".");
  return `aws:${module}/${type[0]?.toLowerCase()}${type.slice(1)}:${type}`;
};
const functionOf = (name: string) => {
  const path = name.replace(/Output$/, "").split(".");
  const last = path.at(-1) ?? "";
  return `aws:${path.length === 1 ? "index" : path[0]}/${last}:${last}`;
};

test("each type of resource that the program makes has its permissions, and no other has", () => {
  const aws = found(/new aws\.(\w+\.\w+)\(/g).map(tokenOf);
  const images = found(/new dockerbuild\.(\w+)\(/g).map((type) => `docker-build:index:${type}`);
  expect(aws.length).toBeGreaterThan(30);
  const known = PARTS.flatMap(({ types }) => Object.keys(types));
  expect(known.sort()).toEqual([...aws, ...images].sort());
});

test("each function of the provider that the program calls has its permissions, and no other has", () => {
  const called = found(/\baws\.((?:\w+\.)?get[A-Z]\w+)\(/g).map(functionOf);
  expect([...new Set(called)].sort()).toEqual(Object.keys(LOOKUPS).sort());
});

test("each call that the program makes itself has its permissions, and no other has", () => {
  expect(found(/new (\w+Command)\(/g)).toEqual(Object.keys(SDK_CALLS).sort());
});

test("a type is in one part alone", () => {
  const all = PARTS.flatMap(({ types }) => Object.keys(types));
  expect(new Set(all).size).toBe(all.length);
});
