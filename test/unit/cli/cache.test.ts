import { describe, expect, test } from "vitest";
import { clearArguments, describeClear } from "../../../cli/commands/cache/clear.ts";
import { describeGc, type GcResult, gcArguments } from "../../../cli/commands/cache/gc.ts";
import { describeCache } from "../../../cli/commands/cache/status.ts";
import { compressionOptions, isBucket } from "../../../cli/service/archive.ts";
import { awsOptions } from "../../../cli/targets/docker/target.ts";

describe("clear", () => {
  test("names models, what they left behind, and what is in use", () => {
    const removed = [
      { id: "a/b", bytes: 2e9, in_use: true },
      { id: "c/d", bytes: 1e6, orphans: 1 },
    ];
    const result = { removed, bytes: 2.001e9, dryRun: true, restarted: false };
    expect(describeClear(result, "local").split("\n")).toEqual([
      "would delete a/b (2 GB), in use",
      "would delete 1 unused file of c/d (1 MB)",
      "Would free 2 GB.",
    ]);
  });
  test("takes one revision of a model", () => {
    expect(clearArguments({ model: "a/b", revision: "v2" })).toEqual(["clear", "--model", "a/b", "--revision", "v2"]);
    expect(clearArguments({})).toEqual(["clear", "--all"]);
    expect(() => clearArguments({ revision: "v2" })).toThrow("add --model <id>");
    const removed = [{ id: "a/b", revision: "1".repeat(40), bytes: 2e9 }];
    expect(describeClear({ removed, bytes: 2e9, dryRun: false, restarted: false }, "local")).toContain(
      "deleted a/b at 111111111111 (2 GB)",
    );
  });
});

describe("gc", () => {
  const result: GcResult = {
    dry_run: false,
    removed: [{ id: "a/b", bytes: 2e9 }],
    kept: [{ id: "c/d", reason: "in use" }],
    bytes: 2e9,
    bytes_free: 5e9,
    target_free_bytes: 20e9,
    target_met: false,
  };

  test("lists what was deleted and kept, and whether the target was met", () => {
    expect(describeGc(result).split("\n")).toEqual([
      "deleted a/b (2 GB)",
      "kept c/d: in use",
      "Freed 2 GB; 5 GB free.",
      "That is less than 20 GB, and nothing else may be deleted.",
    ]);
    expect(describeGc({ ...result, target_met: true })).not.toContain("less than");
  });

  test("takes exactly one limit", () => {
    expect(gcArguments({ olderThan: "30d", dryRun: true })).toEqual(["gc", "--older-than", "30d", "--dry-run"]);
    expect(gcArguments({ keepFree: "20GB" })).toEqual(["gc", "--keep-free", "20GB"]);
    expect(() => gcArguments({})).toThrow(/either/);
    expect(() => gcArguments({ olderThan: "1d", keepFree: "1GB" })).toThrow(/either/);
  });
});

test("status shows when a model was verified and used, if the image reports it", () => {
  const mount = { path: "/data", is_mount: true, filesystem: "ext4", bytes_total: 1e12, bytes_free: 5e11 };
  const model = { id: "a/b", revision: null, bytes: 1e9, files: 3, complete: true, source: "volume" };
  const places = { hf_home: "/data", hub_cache: "/data/hub" };
  const used = { ...model, verified_at: "2026-11-22T10:00:00+00:00", last_used: null, in_use: true };
  const text = describeCache({ ...places, mount, models: [model, used], bytes: 2e9 }, "local");
  expect(text.split("\n").slice(1)).toEqual([
    "  a/b  1 GB  complete (volume)",
    "  a/b  1 GB  complete (volume), verified 2026-11-22, in use",
  ]);
});

test("status shows each revision, what it shares and lacks, and what nothing uses", () => {
  const mount = { path: "/data", is_mount: true, filesystem: "ext4", bytes_total: 1e12, bytes_free: 5e11 };
  const model = { id: "a/b", bytes: 7e9, files: 3, complete: true, source: "volume", bytes_shared: 6e9 };
  const models = [
    { ...model, revision: "1".repeat(40), refs: ["main", "v1"] },
    { ...model, revision: "2".repeat(40), complete: false, missing: ["x", "y"], bytes_lacking: 1e9 },
    { ...model, revision: "3".repeat(40), bytes_shared: 0, unprovable: ["x"] },
  ];
  const status = {
    hf_home: "/data",
    hub_cache: "/data/hub",
    mount,
    models,
    bytes: 8e9,
    orphans: 2,
    bytes_orphaned: 1e6,
  };
  expect(describeCache(status, "aws").split("\n")).toEqual([
    "/data/hub: 8 GB in 1 model, 500 GB free",
    "  a/b at 111111111111 (main) (v1)  7 GB (6 GB shared with other revisions)  complete (volume)",
    "  a/b at 222222222222  7 GB (6 GB shared with other revisions)  incomplete, 2 files missing (1 GB) (volume)",
    "  a/b at 333333333333  7 GB  complete, no hash known of 1 files (volume)",
    "2 orphans, 1 MB: imagegen cache clear --orphans --stack aws",
  ]);
});

test("status shows a partial download and the host's cache as a place of its own", () => {
  const mount = { path: "/data", is_mount: true, filesystem: "ext4", bytes_total: 1e12, bytes_free: 5e11 };
  const begun = { id: "a/b", revision: null, bytes: 0, files: 3, complete: false, source: "volume", missing: ["x"] };
  const models = [{ ...begun, bytes_partial: 1e9, bytes_set_aside: 4e9 }];
  const host_cache = { path: "/home/anna/.cache/huggingface/hub", models: [{ id: "c/d", bytes: 2e9, complete: true }] };
  const status = { hf_home: "/data", hub_cache: "/data/hub", mount, models, bytes: 5e9 };
  expect(
    describeCache({ ...status, host_cache }, "local")
      .split("\n")
      .slice(1),
  ).toEqual([
    "  a/b  0 B  incomplete, 1 files missing (volume), 1 GB downloaded in part, 4 GB set aside",
    "/home/anna/.cache/huggingface/hub, which is only read:",
    "  c/d  2 GB  complete (host)",
  ]);
  const problem = "IMAGE_GEN_HOST_CACHE: /x can't be used.";
  expect(describeCache({ ...status, host_cache: { path: "/x", models: [], problem } }, "local")).toContain(problem);
});

test.each([
  ["models.tar", []],
  ["-", []],
  ["models.tar.gz", ["--gzip"]],
  ["models.tgz", ["--gzip"]],
  ["models.tar.zst", ["--zstd"]],
])("a backup into %s is compressed by its ending", (file, options) => {
  expect(compressionOptions(file)).toEqual(options);
});

test("a bucket is left to image-gen, with the AWS variables that are set, by name alone", () => {
  expect(["s3://b/k.tar", "./s3", "-", "a.tar.zst"].map(isBucket)).toEqual([true, false, false, false]);
  const env = { AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "", AWS_ENDPOINT_URL_S3: "http://x", AWS_PROFILE: "p" };
  expect(awsOptions(env)).toEqual(["--env", "AWS_ENDPOINT_URL_S3", "--env", "AWS_SECRET_ACCESS_KEY"]);
  expect(awsOptions({})).toEqual([]);
});
