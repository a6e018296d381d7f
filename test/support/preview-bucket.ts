import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Copies between s3://previews, which is the folder in $BUCKET, and files. */
const AWS = `#!/bin/bash
[ "$1 $2 $3" = "s3 cp --only-show-errors" ] || exit 2
cp "\${4/#s3:\\/\\/previews/$BUCKET}" "\${5/#s3:\\/\\/previews/$BUCKET}"
`;

/** A bucket for the copies of states that previews read, and an `aws` that knows it. */
export class PreviewBucket {
  readonly home = mkdtempSync(join(tmpdir(), "imagegen-previews-"));
  readonly #folder = join(this.home, "bucket");

  constructor() {
    mkdirSync(this.#folder);
    writeFileSync(join(this.home, "aws"), AWS);
    chmodSync(join(this.home, "aws"), 0o755);
  }

  /** For the workflows' scripts; `path`: what else commands are found in. */
  environment(path: string): Readonly<Record<string, string>> {
    return { PATH: `${this.home}:${path}`, BUCKET: this.#folder, IMAGEGEN_PREVIEW_STATE: "s3://previews" };
  }

  /** Where the copy of a stack's state is. */
  fileOf(stack: string): string {
    return join(this.#folder, `${stack}.json`);
  }

  read(stack: string): string {
    return readFileSync(this.fileOf(stack), "utf8");
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }
}
