/** `npm run fix`: formats and applies the safe fixes, in any state of the checkout. Exit code 1 when something is left to do by hand. */
import { join } from "node:path";
import { execa } from "execa";
import { paths } from "./support/paths.ts";
import { checksEnvironment } from "./support/python.ts";

const python = await checksEnvironment();
const code = [".", "../bench"];
const fixes: readonly (readonly [string, readonly string[], string])[] = [
  [join(paths.root, "node_modules/.bin/biome"), ["check", "--write", "."], paths.root],
  [python, ["-m", "ruff", "check", "--fix", ...code], paths.imageGen],
  [python, ["-m", "ruff", "format", ...code], paths.imageGen],
];
for (const [command, args, cwd] of fixes) {
  const { exitCode } = await execa(command, args, { cwd, stdio: "inherit", reject: false });
  if (exitCode !== 0) process.exitCode = 1;
}
