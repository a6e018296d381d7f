/** `npm run test:watch -- <ring> [file …]`: runs the ring's tests again whenever a file changes, until Ctrl-C. */
import "./support/node-version.ts";
import { watch } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { NAMES, partsOf, projectOf, type RingName, ringOf } from "./rings.ts";
import { paths } from "./support/paths.ts";
import { run } from "./support/ring-job.ts";

const [name, ...files] = process.argv.slice(2);
const watched = NAMES.filter((known) => ringOf(known).runner !== "check");
const ring = watched.find((known) => known === name);
if (!ring) {
  console.error(
    `test: expected a ring, got ${name ?? "nothing"}. Fix: npm run test:watch -- unit. Rings: ${watched.join(", ")}.`,
  );
  process.exit(2);
}
await (ringOf(ring).runner === "vitest" ? watchVitest(ring) : watchPytest(ring));

/** Vitest runs what a change can have broken. */
async function watchVitest(ring: RingName): Promise<void> {
  const projects = partsOf(ring).flatMap((part) => ["--project", projectOf(ring, part)]);
  const options = { cwd: paths.root, stdio: "inherit", reject: false } as const;
  await execa(join(paths.root, "node_modules/.bin/vitest"), ["watch", ...projects, ...files], options);
}

/** What failed the last time first, and then the rest; a change during a run begins another one after it. */
async function watchPytest(ring: RingName): Promise<void> {
  let changed = Promise.withResolvers<void>();
  watch(paths.imageGen, { recursive: true }, (_, file) => {
    if (file && /\.(?:py|json|toml|html)$/.test(file)) changed.resolve();
  });
  const forwarded = ["--failed-first", ...(files.length > 0 ? files : ["tests"])];
  for (;;) {
    await run({ name: ring, parts: ["quick"], forwarded }, true);
    console.log("Waiting for a change of a file …");
    await changed.promise;
    changed = Promise.withResolvers<void>();
  }
}
