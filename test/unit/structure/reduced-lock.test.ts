import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HEAVY, without } from "../../support/lock.ts";
import { paths } from "../../support/paths.ts";

const ENTRY = (name: string, ...neededBy: string[]) =>
  `${name}==1.0 \\\n    --hash=sha256:00\n    # via\n${neededBy.map((each) => `    #   ${each}\n`).join("")}`;

test("a lock without a package lacks all that need it, directly or not", () => {
  const lock = ENTRY("adapters", "image-gen (pyproject.toml)") + ENTRY("models", "adapters") + ENTRY("torch", "models");
  expect(without(lock + ENTRY("web", "image-gen (pyproject.toml)"), /^torch/)).toMatch(/^web==1\.0/);
});

test.each(["requirements.lock", "requirements-dev.lock"])(
  "%s without a GPU's packages still has the service's",
  (name) => {
    const reduced = without(readFileSync(join(paths.imageGen, name), "utf8"), HEAVY);
    const packages = [...reduced.matchAll(/^([a-z0-9][\w.-]*)==/gm)].map(([, each]) => each);
    expect(packages).toEqual(expect.arrayContaining(["huggingface-hub", "obstore", "starlette", "uvicorn"]));
    expect(packages).not.toEqual(expect.arrayContaining(["peft"]));
    expect(packages.filter((each) => /torch|numpy|diffusers|transformers|accelerate/.test(each ?? ""))).toEqual([]);
  },
);
