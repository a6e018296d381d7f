import { createHash } from "node:crypto";
import { strToU8, zipSync } from "fflate";

/** A wheel that holds nothing but its version. */
export interface Wheel {
  readonly name: string;
  readonly version: string;
  readonly file: string;
  readonly content: Uint8Array;
  readonly sha256: string;
}

/** A wheel for any Python and platform, which needs `requires`. */
export function makeWheel(name: string, version: string, ...requires: readonly string[]): Wheel {
  const module = name.replaceAll("-", "_");
  const info = `${module}-${version}.dist-info`;
  const metadata = ["Metadata-Version: 2.1", `Name: ${name}`, `Version: ${version}`];
  const files: Record<string, string> = {
    [`${module}.py`]: `version = "${version}"\n`,
    [`${info}/METADATA`]: `${[...metadata, ...requires.map((each) => `Requires-Dist: ${each}`)].join("\n")}\n`,
    [`${info}/WHEEL`]: "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
  };
  const record = Object.entries(files).map(([path, text]) => {
    const hash = createHash("sha256").update(text).digest("base64url");
    return `${path},sha256=${hash},${text.length}\n`;
  });
  files[`${info}/RECORD`] = `${record.join("")}${info}/RECORD,,\n`;
  const entries = Object.entries(files).map(([path, text]) => [path, strToU8(text)] as const);
  const content = zipSync(Object.fromEntries(entries), { mtime: new Date("2020-01-01T00:00:00Z") });
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { name, version, file: `${module}-${version}-py3-none-any.whl`, content, sha256 };
}

/** Its entry in a lock that uv writes. */
export const lockEntry = ({ name, version, sha256 }: Wheel) =>
  `${name}==${version} \\\n    --hash=sha256:${sha256}\n    # via image-gen (pyproject.toml)\n`;
