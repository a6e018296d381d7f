/** What a release has. Beside the library's tests: `npm pack` compiles into the one folder `dist`. */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, expect, test } from "vitest";
import { paths } from "../support/paths.ts";

interface Package {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}
interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
}
/** As CycloneDX has it. */
interface List {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const SCRIPT = join(paths.root, "scripts/ci/package.sh");
const folder = mkdtempSync(join(tmpdir(), "imagegen-package-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the package, the list of what it installs and their hashes are what a release has", async () => {
  const files = join(folder, "release");
  const made = await execa(SCRIPT, [files], { env: { GITHUB_ACTIONS: "" }, reject: false, all: true });
  expect(made.exitCode, made.all).toBe(0);
  const { name, version, dependencies } = JSON.parse(readFileSync(join(paths.root, "package.json"), "utf8")) as Package;
  const base = `${name}-${version}`;
  expect(readdirSync(files).sort()).toEqual(["SHA256SUMS", `${base}.cdx.json`, `${base}.tgz`]);
  const list = JSON.parse(readFileSync(join(files, `${base}.cdx.json`), "utf8")) as List;
  expect(list.metadata.component).toMatchObject({ name, version });
  const listed = new Set(list.components.map((each) => `${each.name}@${each.version}`));
  expect(Object.entries(dependencies).filter(([each, exact]) => !listed.has(`${each}@${exact}`))).toEqual([]);
  // What a dependency needs, though packages for development need it, too.
  expect([...listed].filter((each) => each.startsWith("@aws-sdk/core@"))).toHaveLength(1);
  const refs = list.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn]);
  expect([...new Set(refs)].sort()).toEqual(
    [list.metadata.component["bom-ref"], ...list.components.map((each) => each["bom-ref"])].sort(),
  );
  // What only tests and linters take is installed by nobody.
  expect([...listed].filter((each) => /^(?:vitest|typescript|knip|@pulumi\/aws)@/.test(each))).toEqual([]);
  const hashOf = (file: string) =>
    createHash("sha256")
      .update(readFileSync(join(files, file)))
      .digest("hex");
  expect(readFileSync(join(files, "SHA256SUMS"), "utf8").trim().split("\n")).toEqual(
    [`${base}.tgz`, `${base}.cdx.json`].map((file) => `${hashOf(file)}  ${file}`),
  );
  const again = await execa(SCRIPT, [files], {
    env: { GITHUB_ACTIONS: "" },
    reject: false,
    all: true,
  });
  expect(again.all).toContain(`${files}: expected an empty folder, got one with files.`);
});
