/** What the host's scripts and the Python tests have of the contract; scripts/structure/contract-homes.ts has its other homes. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
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

/** For tests in Python; `vitest -u` writes it again. */
test("image-gen/tests/contract.json has the contract's values", async () => {
  const values = Object.fromEntries(Object.entries(contract).filter(([, value]) => typeof value !== "function"));
  await expect(`${JSON.stringify(values, null, 2)}\n`).toMatchFileSnapshot("../../../image-gen/tests/contract.json");
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
    const scripts = ["bin", "credentials", "instance-store", "systemd"]
      .map((folder) => `infra/aws/host/files/${folder}`)
      .flatMap((folder) => readdirSync(folder).map((name) => read(`${folder}/${name}`)))
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
