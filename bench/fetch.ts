/** `npm run bench:fetch`: the store's fetch against `hf download` and the line, and what kills cost. Arguments go on to bench/fetch. */
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { paths } from "../test/support/paths.ts";
import { pythonEnvironment } from "../test/support/python.ts";

const result = await execa(
  await pythonEnvironment(),
  [join(paths.root, "bench/fetch/main.py"), ...process.argv.slice(2)],
  {
    stdio: "inherit",
    reject: false,
    env: {
      PYTHONPATH: [join(paths.imageGen, "src"), join(paths.root, "bench/common")].join(delimiter),
      PYTHONDONTWRITEBYTECODE: "1",
    },
  },
);
process.exitCode = result.exitCode ?? 1;
