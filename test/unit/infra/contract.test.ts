/** The homes of the contract that can't import it are held to it here; see `plan/shared-names.test.ts` for Compose. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import * as contract from "../../../infra/contract.ts";

const read = (path: string) => readFileSync(path, "utf8");

/** All files of a folder with this ending, as one text. */
function textOf(folder: string, ending: string): string {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(ending));
  return names
    .sort()
    .map((name) => read(join(folder, name)))
    .join("\n");
}

/** For tests in Python; `vitest -u` writes it anew. */
test("image-gen/tests/contract.json has the contract's values", async () => {
  const values = Object.fromEntries(Object.entries(contract).filter(([, value]) => typeof value !== "function"));
  await expect(`${JSON.stringify(values, null, 2)}\n`).toMatchFileSnapshot("../../../image-gen/tests/contract.json");
});

test("Pulumi.yaml names the project", () => {
  expect((parse(read("Pulumi.yaml")) as { name: string }).name).toBe(contract.PROJECT);
  const stack =
    (parse(read(`stacks/Pulumi.${contract.DEFAULT_STACK}.yaml`)) as { config?: object } | null)?.config ?? {};
  for (const key of Object.keys(stack)) expect(key).toMatch(new RegExp(`^(${contract.PROJECT}|aws):`));
});

describe("the Dockerfile", () => {
  const dockerfile = read("image-gen/Dockerfile");
  test.each([
    ["the cache", ...Object.entries(contract.cacheEnvironment()).map(([key, value]) => `${key}=${value}`)],
    ["baked models", `IMAGE_GEN_BAKED_DIR=${contract.BAKED_PATH}`, `COPY --from=model ${contract.BAKED_PATH}`],
    ["the user", `USER ${contract.HARDENING.user}`],
    ["the port", `EXPOSE ${contract.SERVICE_PORT}`],
  ])("has %s", (_, ...lines) => {
    for (const line of lines) expect(dockerfile).toContain(line);
  });
});

describe("the service", () => {
  const source = textOf("image-gen/src", ".py");
  test.each<[string, string]>([
    ["log prefix", `"${contract.LOG_PREFIX}"`],
    ["default model", `= "${contract.DEFAULT_MODEL_ID}"`],
    ["demo model", `"${contract.DEMO_MODEL}", `],
    ["demo model's id", `"${contract.DEMO_MODEL_ID}"`],
    ["baked path", `"${contract.BAKED_PATH}"`],
    ["port", `port: int = ${contract.SERVICE_PORT}\n`],
    ["ready path", `"${contract.READY_PATH}"`],
    ...Object.values(contract.MODEL_VARIABLES).map((name): [string, string] => ["variable", `"${name}"`]),
    ["variable", `"${contract.TOKEN_VARIABLE}"`],
    ["variable", `"${contract.API_KEY_VARIABLE}"`],
    ["variable", `"${contract.DRAIN_VARIABLE}"`],
  ])("has the %s %s", (_, literal) => expect(source).toContain(literal));
});

describe("the host", () => {
  test("its units mount and check the data path", () => {
    const units = textOf("infra/aws/host/files/systemd", ".service");
    expect(units).toContain(`RequiresMountsFor=${contract.DATA_PATH}\n`);
    expect(units).toContain(`The data volume at ${contract.DATA_PATH}\n`);
  });

  test("its status has the contract's fields and nothing else", () => {
    const script = read("infra/aws/host/files/bin/ready-record");
    const [, own = ""] = /return (\{"schema": \d+, .*\})\n/.exec(script) ?? [];
    const [, added = ""] = /fitted\((\{.*\})\)/.exec(script) ?? [];
    const fields = [...`${own}${added}`.matchAll(/"(\w+)": /g)].map(([, name]) => name);
    expect(fields.sort()).toEqual([...contract.HOST_STATUS_FIELDS].sort());
    expect(own).toContain(`"schema": ${contract.HOST_STATUS_SCHEMA},`);
  });

  test("no script or unit spells out what the contract has", () => {
    const scripts = readdirSync("infra/aws/host/files/bin")
      .map((name) => read(`infra/aws/host/files/bin/${name}`))
      .join("\n")
      .replace(/^\s*#.*$|"""[\s\S]*?"""/gm, "");
    const literals = [
      contract.CONTAINER_NAME,
      String(contract.SERVICE_PORT),
      contract.READY_PATH,
      contract.HARDENING.user,
      ...contract.HARDENING.securityOptions,
      contract.DEPLOYMENT_LABEL,
      contract.METRICS_NAMESPACE,
    ];
    expect(literals.filter((literal) => scripts.includes(literal))).toEqual([]);
  });
});
