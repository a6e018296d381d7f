/** What the image's build takes out of its Python environment, on a small one of the same form. */
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, expect, test } from "vitest";
import { paths } from "../../support/paths.ts";

const SITE = "lib/python3.12/site-packages";
const KEPT = [
  "nvidia/cu13/lib/libcusolver.so.12",
  "nvidia/cu13/lib/libcupti.so.13",
  "nvidia/nvshmem/lib/libnvshmem_host.so.3",
  "torch/bin/torch_shm_manager",
  "torch/lib/libtorch_cuda.so",
  "torch/testing/_internal/common.py",
  "sympy/core/add.py",
];
const NEVER_USED = [
  "nvidia/cu13/lib/libcudart_static.a",
  "nvidia/cu13/lib/libcusolverMg.so.12",
  "nvidia/cu13/lib/libnvperf_host.so",
  "numpy/_core/tests/test_array.py",
  "sympy/core/tests/test_add.py",
  "networkx/algorithms/tests/test_dag.py",
  "mpmath/tests/test_basic.py",
];
const FOR_COMPILERS = [
  "nvidia/cu13/include/cuda.h",
  "nvidia/nvshmem/lib/libnvshmem_device_sm_90.bc",
  "torch/bin/protoc-3.21.12.0",
  "torch/include/torch/torch.h",
];

let venv: string;

beforeEach(() => {
  venv = mkdtempSync(join(tmpdir(), "imagegen-venv-"));
  const put = (path: string, text = "", mode = 0o644) => {
    mkdirSync(dirname(join(venv, path)), { recursive: true });
    writeFileSync(join(venv, path), text);
    chmodSync(join(venv, path), mode);
  };
  for (const path of [...KEPT, ...NEVER_USED, ...FOR_COMPILERS]) put(`${SITE}/${path}`);
  // Both write down how they were called.
  for (const name of ["python", "uv"]) put(`bin/${name}`, `#!/bin/sh\necho "${name} $*" >> ${venv}/calls\n`, 0o755);
});

afterEach(() => rmSync(venv, { recursive: true }));

test.each([
  ["", KEPT, [/^uv pip uninstall .* triton$/, /^python -c from diffusers import/]],
  ["1", [...KEPT, ...FOR_COMPILERS], [/^python -c from diffusers import/]],
] as const)(
  "with COMPILE=%j it keeps what the service or its compiler opens, and imports the pipeline",
  async (compile, kept, calls) => {
    const script = join(paths.imageGen, "docker/slim-venv");
    await execa("sh", [script, join(venv, "bin/uv"), venv, compile]);
    const files = globSync("**/*.*", { cwd: join(venv, SITE), withFileTypes: true }).filter((each) => each.isFile());
    const left = [...files.map((each) => join(each.parentPath, each.name).slice(join(venv, SITE).length + 1))];
    const named = [...left, ...globSync("torch/bin/torch_shm_manager", { cwd: join(venv, SITE) })];
    expect(named.sort()).toEqual([...kept].sort());
    expect(readFileSync(join(venv, "calls"), "utf8").trim().split("\n")).toEqual(
      calls.map((call) => expect.stringMatching(call)),
    );
  },
);
