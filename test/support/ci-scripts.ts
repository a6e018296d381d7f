import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

const LIST = `[{"name": "other"}, {"name": "aws-volume"}]`;

/** The workflows' scripts, with commands on PATH that only write down how they were called. */
export class CiScripts {
  readonly folder = mkdtempSync(join(tmpdir(), "imagegen-ci-"));

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A command on PATH: it notes its arguments, then does what `body` says. */
  command(name: string, body = "true"): void {
    const path = join(this.folder, name);
    writeFileSync(path, `#!/bin/bash\necho "${name} $*" >>"${this.folder}/calls"\n${body}\n`);
    chmodSync(path, 0o755);
  }

  /** A Pulumi that knows two stacks; `body` is what it does when asked anything else. */
  pulumi(body: string): void {
    this.command("pulumi", `if [ "$1 $2" = "stack ls" ]; then echo '${LIST}'; exit; fi\n${body}`);
  }

  /** How commands were called since the calls were last forgotten. */
  calls(): string[] {
    const path = join(this.folder, "calls");
    return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  }

  forget(): void {
    rmSync(join(this.folder, "calls"), { force: true });
  }

  async run(name: string, args: readonly string[] = [], environment: Readonly<Record<string, string>> = {}) {
    const stack = { IMAGEGEN_STACK: "aws-volume", PULUMI_BACKEND_URL: "file:///nowhere", GITHUB_ACTIONS: "" };
    // What the tests themselves run in may be a job.
    const job = { GITHUB_OUTPUT: "", GITHUB_STEP_SUMMARY: "" };
    const env = { ...stack, ...job, PATH: `${this.folder}:${process.env.PATH}`, ...environment };
    return execa(`scripts/ci/${name}`, args, { env, reject: false, all: true });
  }
}
