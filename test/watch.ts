/** `npm run test:watch -- <suite> [file …]`: runs the suite's tests again whenever a file changes, until Ctrl-C. */
import "./support/node-version.ts";
import { watch } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { NAMES, partsOf, projectsOf, type SuiteName, suiteOf } from "./suites.ts";
import { paths } from "./support/paths.ts";
import { run } from "./support/suite-job.ts";

const [name, ...files] = process.argv.slice(2);
const watched = NAMES.filter((known) => suiteOf(known).runner !== "check");
const suite = watched.find((known) => known === name);
if (!suite) {
  console.error(
    `test: expected a suite, got ${name ?? "nothing"}. Fix: npm run test:watch -- unit. Suites: ${watched.join(", ")}.`,
  );
  process.exit(2);
}
await (suiteOf(suite).runner === "vitest" ? watchVitest(suite) : watchPytest(suite));

/** Vitest runs what a change can have broken. */
async function watchVitest(suite: SuiteName): Promise<void> {
  const projects = partsOf(suite)
    .flatMap((part) => projectsOf(suite, part))
    .flatMap(({ name }) => ["--project", name]);
  const options = { cwd: paths.root, stdio: "inherit", reject: false } as const;
  await execa(join(paths.root, "node_modules/.bin/vitest"), ["watch", ...projects, ...files], options);
}

/** What failed the last time first, and then the rest; a change during a run begins another one after it. */
async function watchPytest(suite: SuiteName): Promise<void> {
  let changed = Promise.withResolvers<void>();
  watch(paths.imageGen, { recursive: true }, (_, file) => {
    if (file && /\.(?:py|json|toml|html)$/.test(file)) changed.resolve();
  });
  const forwarded = ["--failed-first", ...(files.length > 0 ? files : ["tests"])];
  for (;;) {
    await run({ name: suite, parts: ["quick"], forwarded }, true);
    console.log("Waiting for a change of a file …");
    await changed.promise;
    changed = Promise.withResolvers<void>();
  }
}
