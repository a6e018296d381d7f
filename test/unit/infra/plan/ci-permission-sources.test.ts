/** Each permission of the roles for CI has its source: a type or an action that is new needs one. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PARTS } from "../../../../infra/plan/ci/permissions/table.ts";
import type { PermissionSources } from "../../../../scripts/reference/ci-permissions.ts";
import { paths } from "../../../support/paths.ts";

const text = readFileSync(join(paths.root, "docs/reference/ci-permissions.json"), "utf8");
const sources = JSON.parse(text) as PermissionSources;
const types = PARTS.flatMap((part) => Object.entries(part.types));
const entries = Object.entries(sources.types).flatMap(([type, actions]) =>
  Object.entries(actions).map(([action, entry]) => ({ type, action, entry })),
);

/** Calls that IAM's action has another name for. */
const RENAMED: Readonly<Record<string, string>> = {
  "budgets:ModifyBudget": "CreateBudget|UpdateBudget|DeleteBudget|CreateNotification|DeleteNotification",
  "budgets:ViewBudget": "DescribeBudget|DescribeNotificationsForBudget|DescribeSubscribersForNotification",
  "s3:DeleteObject": "DeleteObjects?",
  "s3:DeleteObjectVersion": "DeleteObjects?",
  "s3:GetAccelerateConfiguration": "GetBucketAccelerateConfiguration",
  "s3:GetBucketCORS": "GetBucketCors",
  "s3:GetBucketObjectLockConfiguration": "GetObjectLockConfiguration",
  "s3:GetBucketPublicAccessBlock": "GetPublicAccessBlock",
  "s3:GetEncryptionConfiguration": "GetBucketEncryption",
  "s3:GetLifecycleConfiguration": "GetBucketLifecycleConfiguration",
  "s3:GetReplicationConfiguration": "GetBucketReplication",
  "s3:ListBucket": "HeadBucket",
  "s3:ListBucketVersions": "ListObjectVersions",
  "s3:ListTagsForResource": "ListTags",
  "s3:PutBucketPublicAccessBlock": "PutPublicAccessBlock|DeletePublicAccessBlock",
  "s3:PutBucketTagging": "PutBucketTagging|DeleteBucketTagging",
  "s3:PutEncryptionConfiguration": "PutBucketEncryption|DeleteBucketEncryption",
  "s3:PutLifecycleConfiguration": "PutBucketLifecycleConfiguration|DeleteBucketLifecycle",
  "s3:TagResource": "UpdateTags",
  "s3:UntagResource": "UpdateTags",
};

test("the types with sources are those of the table", () => {
  expect(Object.keys(sources.types).sort()).toEqual(types.map(([type]) => type).sort());
});

test.each(types)("each action of %s has its source, and no other has", (type, { read, write }) => {
  const actions = new Set([...Object.values(read), ...Object.values(write)].flat());
  expect(Object.keys(sources.types[type] ?? {}).sort()).toEqual([...actions].sort());
});

test("a source is a line of the provider, plainly its file alone, or AWS's documentation", () => {
  expect(sources.commit).toMatch(/^[0-9a-f]{40}$/);
  expect(sources.version).toMatch(/^v\d+\.\d+\.\d+$/);
  for (const { type, action, entry } of entries) {
    const of = `${type} ${action}`;
    if ("reason" in entry) {
      expect(entry.reason, of).toMatch(/^[A-Z].+\.$/);
      expect(entry.source, of).toMatch(/^https:\/\/docs\.aws\.amazon\.com\/.+\.html$/);
      expect(Object.keys(entry), of).toEqual(["reason", "source"]);
    } else {
      expect(entry.file, of).toMatch(/^internal\/service\/[a-z0-9]+\/\w+\.go$/);
      expect(entry.function, of).toMatch(/^[\w.]+$/);
      expect(entry.line === undefined, of).toBe(entry.fileOnly === true);
      expect(entry.line ?? 1, of).toBeGreaterThan(0);
    }
  }
});

test("a cited call is what its action allows", () => {
  for (const { type, action, entry } of entries) {
    if ("reason" in entry) continue;
    expect(entry.call, `${type} ${action}`).toMatch(new RegExp(`^(?:${RENAMED[action] ?? action.split(":")[1]})$`));
  }
});
