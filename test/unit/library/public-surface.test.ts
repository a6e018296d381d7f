/** What semantic versioning is promised for: a name that goes, or comes, is a change of the snapshot. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { NOT_OF_FLEETS } from "../../../infra/config/fleet/keys.ts";
import { TARGET_KEYS } from "../../../infra/config/schema.ts";
import * as library from "../../../infra/library/index.ts";
import { AWS_OUTPUTS, FLEET_OUTPUTS, LOCAL_OUTPUTS } from "../../../infra/library/outputs.ts";
import { paths } from "../../support/paths.ts";

const read = (file: string) => readFileSync(join(paths.root, "infra/library", file), "utf8");
const fieldsOf = (text: string) =>
  [...text.matchAll(/^ {2}(?:declare )?readonly (\w+)\??:/gm)].map(([, name = ""]) => name);
const service = fieldsOf(read("service-arguments.ts"));
const build = fieldsOf(read("argument.ts"));
const place = fieldsOf(read("aws-component.ts"));

test("the package exports these names", () => {
  const types = [...read("index.ts").matchAll(/type \{([^}]+)\}|type (\w+)/g)].flatMap(([, list, one]) =>
    (list ?? one ?? "").split(",").map((name) => name.trim()),
  );
  expect({ values: Object.keys(library).sort(), types: types.sort() }).toMatchSnapshot();
});

test("the components have these arguments, one for each key of their target, and these fields", () => {
  const local = [...service, ...build, ...fieldsOf(read("docker-arguments.ts"))].sort();
  const aws = [...service, ...build, ...place, ...fieldsOf(read("aws-arguments.ts"))].sort();
  const ofFleets = service.filter((name) => !NOT_OF_FLEETS.some((each) => each === name));
  const fleet = [...ofFleets, ...build, ...place, ...fieldsOf(read("fleet-arguments.ts"))].sort();
  const keys = (target: "local" | "aws" | "fleet") =>
    Object.keys(TARGET_KEYS[target]).filter((key) => key !== "target");
  expect(local).toEqual([...keys("local"), "buildContext", "dockerfile"].sort());
  expect(aws).toEqual([...keys("aws"), "buildContext", "dockerfile", "region", "tags"].sort());
  expect(fleet).toEqual([...keys("fleet"), "buildContext", "dockerfile", "region", "tags"].sort());
  expect(fieldsOf(read("local-image-gen.ts"))).toEqual([...LOCAL_OUTPUTS]);
  expect(fieldsOf(read("aws-image-gen.ts"))).toEqual([...AWS_OUTPUTS]);
  expect(fieldsOf(read("aws-image-gen-fleet.ts"))).toEqual([...FLEET_OUTPUTS]);
  const fields = { localFields: LOCAL_OUTPUTS, awsFields: AWS_OUTPUTS, fleetFields: FLEET_OUTPUTS };
  expect({ local, aws, fleet, ...fields }).toMatchSnapshot();
});

/** Pulumi runs the `default` of `exports` in a checkout, Node imports its `node`. */
test("in a checkout the package is a program, and for who imports it the components", () => {
  const { main, exports } = JSON.parse(readFileSync(join(paths.root, "package.json"), "utf8")) as {
    readonly main: string;
    readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
  expect(exports["."]?.default).toBe(`./${main}`);
  // A bundler for another platform than Node has one of the others, and must not get the program.
  for (const condition of ["node", "import", "require"])
    expect(exports["."]?.[condition]).toBe("./dist/infra/library/index.js");
});

test("the tarball has the components, the plugin and the image's sources, and nothing else of the checkout", async () => {
  const { stdout } = await execa("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: paths.root });
  const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const files = packed.files.map(({ path }) => path);
  const allowed =
    /^(?:dist\/infra\/|plugin\/(?:index\.js|package\.json|schema\.json|PulumiPlugin\.yaml)$|image-gen\/(?:src|models|docker)\/|image-gen\/(?:Dockerfile|\.dockerignore|pyproject\.toml|requirements\.lock)$|(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|infra\/start\.mjs|cli\/bin\.mjs)$)/;
  expect(files.filter((file) => !allowed.test(file))).toEqual([]);
  expect(
    files.filter((file) => /test|stacks?\/|secret[^-]*\.(?!d\.ts|js)|\.env$|\.tgz$|__pycache__/.test(file)),
  ).toEqual([]);
  expect(files).toEqual(
    expect.arrayContaining(["image-gen/Dockerfile", "plugin/schema.json", "image-gen/requirements.lock"]),
  );
});
