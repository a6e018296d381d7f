/** What `imagegen` of every version kept in a checkout is read by this one: the process, the choices, where the stack ran. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { pathsOf } from "../../../cli/core/paths.ts";
import { identityOf } from "../../../cli/core/process-identity.ts";
import { StackFiles } from "../../../cli/stack/files.ts";
import { readRecord } from "../../../cli/targets/process/record.ts";
import { fixture, VERSIONS } from "../../support/fixtures.ts";

const directory = mkdtempSync(join(tmpdir(), "imagegen-upgrade-"));
const paths = pathsOf(directory);
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe.each(VERSIONS)("a checkout of %s", (version) => {
  test("has the record of the process that runs", () => {
    cpSync(fixture(version, "checkout"), join(directory, ".imagegen"), { recursive: true });
    const file = join(paths.processes, "local.json");
    const written = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
    // The process of the record is this one.
    const record = { ...written, pid: process.pid, identity: identityOf(process.pid) };
    writeFileSync(file, JSON.stringify(record));
    expect(readRecord(paths, "local")).toEqual(record);
    expect(record).toMatchObject({ url: "http://127.0.0.1:8123", model: "image-gen/demo" });
  });

  test("has the choices of the last up, and where the stack ran", () => {
    cpSync(fixture(version, "checkout"), join(directory, ".imagegen"), { recursive: true });
    const files = new StackFiles(paths, "local");
    expect(files.lastMode()).toBe("process");
    const chosen = { modelId: "image-gen/demo", port: 8123, onDestroy: "retain" };
    expect(files.settings("local")).toMatchObject(chosen);
    expect(files.lastSettings("local")).toMatchObject({ ...chosen, gpu: "none" });
  });
});
