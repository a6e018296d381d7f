import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  describeDifference,
  fingerprintOf,
  fingerprintParts,
  isReadByService,
} from "../../../cli/targets/process/fingerprint.ts";
import type { ProcessRecord } from "../../../cli/targets/process/record.ts";

const reference = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../../docs/reference/service.json"), "utf8"),
) as { environment: { name: string }[] };

test.each(reference.environment.map(({ name }) => name.split(/[ ,]/)[0] ?? ""))(
  "%s, which the service reads, replaces the process when it changes",
  (name) => {
    expect(isReadByService(name)).toBe(true);
  },
);

test.each([
  "CUDA_VISIBLE_DEVICES",
  "HTTPS_PROXY",
  "https_proxy",
  "NO_PROXY",
  "SSL_CERT_FILE",
  "HF_HUB_OFFLINE",
  "PYTORCH_CUDA_ALLOC_CONF",
])("so does %s", (name) => {
  const at = (value: string) => fingerprintOf(fingerprintParts({}, { [name]: value }, "code"));
  expect(at("0")).not.toBe(at("1"));
  expect(at("0")).toBe(at("0"));
});

test.each(["PATH", "PWD", "SHLVL", "TERM", "IMAGEGEN_DEBUG", "OLDPWD"])("%s does not", (name) => {
  expect(isReadByService(name)).toBe(false);
});

test("a difference is named without a value", () => {
  const parts = fingerprintParts(
    { FREE: "1" },
    { HF_TOKEN: "hf_secret", CUDA_VISIBLE_DEVICES: "0", PATH: "x" },
    "code",
  );
  expect(JSON.stringify(parts)).not.toContain("hf_secret");
  const record = { parts } as unknown as ProcessRecord;
  const now = fingerprintParts({ FREE: "2" }, { HF_TOKEN: "hf_other", CUDA_VISIBLE_DEVICES: "0", PATH: "y" }, "code");
  expect(describeDifference(record, now)).toBe("another FREE, HF_TOKEN");
  expect(describeDifference({} as ProcessRecord, now)).toBe("other settings");
});
