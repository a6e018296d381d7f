import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** Where the project and what the tools make for it lie. Absolute paths. */
export const paths = {
  root,
  state: join(root, ".imagegen"),
  imageGen: join(root, "image-gen"),
  baseImageScript: join(root, "test/support/make-base-image.sh"),
} as const;
