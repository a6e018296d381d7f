/** A stack's file of every version is read as it was meant: its keys are accepted, and what others see of the plan is the same. */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { TARGET_KEYS } from "../../../infra/config/schema.ts";
import { missingKeys } from "../../../scripts/fixtures/configs.ts";
import { type RecordedPlan, recordedPlan, type StackConfig } from "../../../scripts/fixtures/plans.ts";
import { fixture, readFixture, VERSIONS } from "../../support/fixtures.ts";

type File = { readonly config: StackConfig };

describe.each(VERSIONS)("the stacks' files of %s", (version) => {
  const names = readdirSync(fixture(version, "config")).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []);
  const read = (name: string) => (parse(readFixture(version, "config", `Pulumi.${name}.yaml`)) as File).config;

  test.each(names)("%s gives the settings and the plan that it gave", (name) => {
    const before = parse(readFixture(version, "config", `${name}.plan.yaml`)) as RecordedPlan;
    // What is new has its default; through YAML, as what was written down.
    const now = JSON.parse(JSON.stringify(recordedPlan(read(name)))) as RecordedPlan;
    expect(now).toMatchObject(before);
  });

  test("have every target", () => {
    const targets = names.map((name) => read(name)["Picture-Perfect-Challenge:target"]);
    expect([...new Set(targets)].sort()).toEqual(Object.keys(TARGET_KEYS).sort());
  });
});

test("the files that are written for the present version have every key", () => {
  expect(missingKeys()).toEqual([]);
});
