/** A process of its own: `pulumi-install.ts ROOT` installs the Pulumi CLI into ROOT; `--reach URL` only asks URL. */
import { PulumiCommand } from "@pulumi/pulumi/automation/index.js";

const [target, url] = process.argv.slice(2);
if (target === "--reach" && url) {
  await fetch(url, { method: "HEAD" });
} else if (target) {
  await PulumiCommand.install({ root: target });
} else {
  process.exitCode = 2;
}
