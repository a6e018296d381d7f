/** The Python packages of a process, with a real uv and two package indexes on loopback: the lock's, and one of CPU builds of torch. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pathsOf } from "../../cli/core/paths.ts";
import { ensurePython } from "../../cli/toolchain/python.ts";
import { ensureUv, venvProgram } from "../../cli/toolchain/uv.ts";
import { PackageIndex } from "../support/packages/package-index.ts";
import { lockEntry, makeWheel } from "../support/packages/wheel.ts";
import { paths as checkout } from "../support/paths.ts";

const small = makeWheel("small", "1.0");
const library = makeWheel("nvidia-library", "3.0");
const cuda = makeWheel("torch", "2.15.0", "small", "nvidia-library");
const cpu = makeWheel("torch", "2.15.0+cpu", "small");

let folder: string;
let paths: ReturnType<typeof pathsOf>;
const lockIndex = new PackageIndex(small, library, cuda);
let cpuIndex: PackageIndex;
const lines: string[] = [];
const progress = {
  log: (text: string) => void lines.push(text),
  update: () => {},
  stop: () => {},
  busy: <T>(action: () => Promise<T>) => action(),
};

beforeEach(async () => {
  const uv = await ensureUv();
  folder = mkdtempSync(join(tmpdir(), "imagegen-torch-"));
  paths = pathsOf(folder);
  mkdirSync(join(paths.imageGen, "docker"), { recursive: true });
  const script = "docker/install-packages";
  cpSync(join(checkout.imageGen, script), join(paths.imageGen, script));
  cpSync(join(checkout.imageGen, "requirements.sizes.json"), join(paths.imageGen, "requirements.sizes.json"));
  writeFileSync(join(paths.imageGen, "requirements.lock"), [library, small, cuda].map(lockEntry).join(""));
  mkdirSync(join(paths.tools, "bin"), { recursive: true });
  cpSync(uv, venvProgram(paths.tools, "uv"));
  lines.length = 0;
  lockIndex.requests.length = 0;
  vi.stubEnv("UV_CACHE_DIR", join(folder, "cache"));
  vi.stubEnv("UV_DEFAULT_INDEX", await lockIndex.start());
  vi.stubEnv("UV_HTTP_RETRIES", "0");
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await lockIndex.stop();
  await cpuIndex?.stop().catch(() => {});
  rmSync(folder, { recursive: true });
});

async function serve(...wheels: Parameters<typeof makeIndex>): Promise<string> {
  cpuIndex = makeIndex(...wheels);
  return cpuIndex.start();
}
const makeIndex = (...wheels: ConstructorParameters<typeof PackageIndex>) => new PackageIndex(...wheels);

/** Installs, and returns the version of each package that is there afterwards. */
async function install(torchIndex: string | null, hasGpu = false): Promise<Record<string, string>> {
  const choice = { torchIndex, hasGpu, indexHint: "imagegen up --config torchIndex=cpu" };
  const python = await ensurePython(paths, choice, progress, new AbortController().signal);
  const list = ["pip", "list", "--format", "json", "--python", python];
  const { stdout } = await execa(venvProgram(paths.tools, "uv"), list);
  const packages = JSON.parse(stdout) as { name: string; version: string }[];
  return Object.fromEntries(packages.map(({ name, version }) => [name, version]));
}

const CPU = { small: "1.0", torch: "2.15.0+cpu" };
const CUDA = { small: "1.0", torch: "2.15.0", "nvidia-library": "3.0" };

test("torch's CPU build comes from the index, the rest from the lock, and nothing of CUDA is downloaded", async () => {
  const index = await serve(cpu);
  expect(await install(index)).toEqual(CPU);
  expect(lines.at(-1)).toMatch(`Downloading torch's CPU build from the index ${index}, and `);
  expect(lockIndex.requests.filter((path) => /torch|nvidia/.test(path))).toEqual([]);
  expect(cpuIndex.requests.filter((path) => !path.includes("torch"))).toEqual([]);

  // A later start asks nobody, also where the index is not named.
  await cpuIndex.stop();
  lockIndex.requests.length = 0;
  expect(await install(index)).toEqual(CPU);
  expect(await install(null)).toEqual(CPU);
  expect(lockIndex.requests).toEqual([]);
});

test("an index that can't be reached, or lacks the version, is one line, and the lock's torch is installed", async () => {
  const gone = await serve();
  await cpuIndex.stop();
  expect(await install(gone)).toEqual(CUDA);
  const line = `torch's CPU build is not available from the index ${gone} (`;
  expect(lines.filter((each) => each.startsWith(line))).toEqual([expect.stringMatching(/Connection refused/i)]);
  expect(lines.at(-1)).toMatch(/^Downloading [\d.]+ GB of Python packages \(about /);

  rmSync(paths.venv, { recursive: true });
  lines.length = 0;
  const older = await serve(makeWheel("torch", "2.14.0+cpu"));
  expect(await install(older)).toEqual(CUDA);
  expect(lines.filter((each) => each.includes(older))).toContainEqual(
    expect.stringMatching(/no version of torch==2\.15\.0\+cpu/),
  );
});

test("a wheel with other content than the index states ends the installation", async () => {
  const index = await serve({ ...cpu, sha256: "0".repeat(64) });
  await expect(install(index)).rejects.toThrow(/Hash mismatch for `torch==2\.15\.0\+cpu`/);
  expect(existsSync(join(paths.venv, "requirements.sha256"))).toBe(false);
  expect(lockIndex.requests).toEqual([]);
});

test("with a GPU the CUDA build is installed, also where a CPU build was", async () => {
  const index = await serve(cpu);
  expect(await install(index, true)).toEqual(CUDA);
  expect(lines).toContainEqual(expect.stringMatching(/^torchIndex is not used: this machine has an NVIDIA GPU/));
  // What is there serves without a GPU, too: nothing is downloaded.
  expect(await install(index)).toEqual(CUDA);
  expect(cpuIndex.requests).toEqual([]);

  rmSync(paths.venv, { recursive: true });
  expect(await install(index)).toEqual(CPU);
  expect(readFileSync(join(paths.venv, "requirements.sha256"), "utf8")).toMatch(/^[0-9a-f]{64} cpu$/);
  expect(await install(null, true)).toEqual(CUDA);
});

test("without an index the bytes, the time and the way to less are said before anything is downloaded", async () => {
  const at: number[] = [];
  const seen = vi.spyOn(progress, "log").mockImplementation((text) => {
    lines.push(text);
    if (text.startsWith("Downloading")) at.push(lockIndex.requests.length);
  });
  expect(await install(null)).toEqual(CUDA);
  seen.mockRestore();
  expect(at).toEqual([0]);
  expect(lines.at(-1)).toMatch(
    /^Downloading [\d.]+ GB of Python packages \(about \d.* at 10 MB\/s\) … [\d.]+ GB of it are torch's CUDA build; without a GPU, imagegen up --config torchIndex=cpu takes less\.$/,
  );
});
