import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onPath } from "../../cli/core/on-path.ts";
import { paths } from "./paths.ts";

/** A temporary folder with Pulumi's state and settings, and with the plugins that this machine has. */
export class PulumiHome {
  readonly folder: string;

  constructor(prefix: string) {
    this.folder = mkdtempSync(join(tmpdir(), prefix));
    for (const name of ["state", "pulumi"]) mkdirSync(join(this.folder, name));
    const plugins = join(process.env.PULUMI_HOME ?? join(homedir(), ".pulumi"), "plugins");
    if (existsSync(plugins)) symlinkSync(plugins, join(this.folder, "pulumi", "plugins"));
  }

  /** What a command needs to find the stacks of this folder, and only these. */
  get environment(): Readonly<Record<string, string>> {
    return {
      PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ""}`,
      PULUMI_HOME: join(this.folder, "pulumi"),
      PULUMI_BACKEND_URL: `file://${join(this.folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "of this test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      // Each command starts a Node that imports the same SDKs: compiled once, that takes a tenth less of the processor.
      NODE_COMPILE_CACHE: join(paths.state, "compile-cache"),
      // A machine with plugins of its own is not asked to download the others, which takes seconds before each run.
      ...(onPath("pulumi-resource-docker") ? { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" } : {}),
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
