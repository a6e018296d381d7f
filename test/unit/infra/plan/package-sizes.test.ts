import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { describeBuildDownload, describeDownload, whyNotFromIndex } from "../../../../cli/toolchain/python-packages.ts";
import { CUDA_PACKAGES, type PackageSizes } from "../../../../infra/plan/package-sizes.ts";
import { formatBytes, formatSeconds } from "../../../../infra/units.ts";
import { sizesOf } from "../../../../scripts/lock/wheels.ts";
import { paths } from "../../../support/paths.ts";

const lock = join(paths.imageGen, "requirements.lock");
const sizes = JSON.parse(readFileSync(join(paths.imageGen, "requirements.sizes.json"), "utf8")) as PackageSizes;

test("the sizes are those of the lock: else npm run lock-sizes", () => {
  expect(sizes.lock).toBe(createHash("sha256").update(readFileSync(lock)).digest("hex"));
});

test("the script of the installation leaves out what the sizes count as CUDA, and asks the index for the lock's torch", async () => {
  const folder = mkdtempSync(join(tmpdir(), "imagegen-install-"));
  const uv = join(folder, "uv");
  const said = 'echo "$@"; while [ $# -gt 0 ]; do if [ "$1" = --excludes ]; then cat "$2"; fi; shift; done';
  writeFileSync(uv, `#!/bin/sh\n${said}\n`);
  chmodSync(uv, 0o755);
  const script = join(paths.imageGen, "docker/install-packages");
  const { stdout } = await execa("sh", [script, uv, "python", lock, "https://index.example", "--quiet"]);
  const plain = await execa("sh", [script, uv, "python", lock, "", "--quiet"]);
  rmSync(folder, { recursive: true });
  const [torch = "", rest = "", ...excluded] = stdout.split("\n");
  const named = [...readFileSync(lock, "utf8").matchAll(/^([a-z0-9][\w.-]*)==([^ ;]+)/gm)];
  const version = named.find(([, name]) => name === "torch")?.[2];
  const index = "https://index.example";
  expect(torch).toBe(
    `pip install --python python --no-deps --index ${index} --default-index ${index} --quiet torch==${version}+cpu`,
  );
  expect(rest).toMatch(/^pip install --python python --require-hashes --excludes \S+ --requirements .+ --quiet$/);
  expect(excluded).toEqual(named.map(([, name = ""]) => name).filter((name) => CUDA_PACKAGES.test(name)));
  expect(excluded).toEqual(expect.arrayContaining(["torch", "triton", "nvidia-cudnn-cu13"]));
  expect(plain.stdout).toBe(`pip install --python python --require-hashes --requirements ${lock} --quiet`);
});

test("the wheels of each platform are counted, by Python's version and the packages' markers", () => {
  const wheel = (file: string, size: number) =>
    `    { url = "https://x/${file}", size = ${size}, hashes = { sha256 = "0" } },`;
  const entry = (name: string, marker: string, ...wheels: string[]) =>
    `[[packages]]\nname = "${name}"\nversion = "1"\n${marker && `marker = "${marker}"\n`}wheels = [\n${wheels.join("\n")}\n]\n`;
  const platforms = ["manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "macosx_14_0_arm64", "win_amd64"];
  const wheels = (python: string, size: number) => platforms.map((tag) => wheel(`a-1-${python}-${tag}.whl`, size));
  const pylock = [
    entry("torch", "", ...wheels("cp311-cp311", 1), ...wheels("cp312-cp312", 100)),
    entry("any", "", wheel("any-1-py2.py3-none-any.whl", 7)),
    entry("stable", "", ...wheels("cp39-abi3", 20), ...wheels("cp313-abi3", 1)),
    entry("old", "python_full_version < '3.12'", wheel("old-1-py3-none-any.whl", 1000)),
    entry(
      "nvidia-x",
      "(platform_machine == 'aarch64' or platform_machine == 'x86_64') and sys_platform == 'linux'",
      ...wheels("py3-none", 3000),
    ),
  ].join("\n");
  const desktop = { all: 127, cuda: 100 };
  const linux = { all: 3127, cuda: 3100 };
  expect(sizesOf(pylock)).toEqual({
    "linux-x64": linux,
    "linux-arm64": linux,
    "darwin-arm64": desktop,
    "win32-x64": desktop,
  });
});

test("a platform without known sizes is given none", () => {
  expect(describeDownload({ lock: "", platforms: {} }, null, "x")).toBe(
    "Installing the Python packages of image-gen/requirements.lock …",
  );
});

test("a build of the image says its bytes and the time, with torch's CPU build those of the other packages", () => {
  const of = (torchIndex: string | null, gpu: string, hasGpu: boolean) =>
    describeBuildDownload(paths, { torchIndex, gpu }, hasGpu);
  const { all = 0, cuda = 0 } = sizes.platforms[`linux-${process.arch}`] ?? {};
  const text = (bytes: number) =>
    `${formatBytes(bytes)} of Python packages to download (about ${formatSeconds(bytes / 10e6)} at 10 MB/s)`;
  expect(of(null, "auto", false)).toBe(text(all));
  expect(of("cpu", "auto", true)).toBe(text(all));
  expect(of("cpu", "none", true)).toBe(`${text(all - cuda)}, and torch's CPU build from the index cpu`);
});

test.each([
  [null, false, "linux", null],
  ["cpu", false, "linux", null],
  ["cpu", true, "linux", /an NVIDIA GPU/],
  ["cpu", false, "darwin", /on this system/],
  ["cpu", false, "win32", /on this system/],
] as const)("an index %s (GPU: %s, %s) is refused: %s", (index, hasGpu, platform, expected) => {
  const why = whyNotFromIndex(index, hasGpu, platform);
  if (expected === null) expect(why).toBeNull();
  else expect(why).toMatch(expected);
});
