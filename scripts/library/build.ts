/**
 * `npm run build`: what `npm pack` puts into the package. In: infra/library, and what it imports. Out: `dist`, with JavaScript and
 * declarations, and with the files that the compiled program reads beside itself.
 */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";

const root = join(import.meta.dirname, "../..");
const HOST_FILES = "infra/aws/host/files";

rmSync(join(root, "dist"), { recursive: true, force: true });
await execa(join(root, "node_modules/.bin/tsc"), ["--project", "tsconfig.library.json"], {
  cwd: root,
  stdio: "inherit",
});
cpSync(join(root, HOST_FILES), join(root, "dist", HOST_FILES), { recursive: true });
