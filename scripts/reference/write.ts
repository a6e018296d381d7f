/** `npm run docs`: asks the service's code for its facts, then writes the reference pages. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { paths } from "../../test/support/paths.ts";
import { pythonEnvironment } from "../../test/support/python.ts";
import { referencePages, SERVICE_FACTS } from "./pages.ts";

const script = join(paths.root, "scripts/reference/service.py");
const env = { PYTHONPATH: join(paths.imageGen, "src") };
const { stdout } = await execa(await pythonEnvironment(), [script], { env, cwd: paths.root });
writeFileSync(join(paths.root, SERVICE_FACTS), `${stdout}\n`);
for (const [file, text] of Object.entries(referencePages(paths.root))) {
  writeFileSync(join(paths.root, file), text);
  console.log(file);
}
