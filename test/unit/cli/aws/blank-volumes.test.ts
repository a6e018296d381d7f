import { describe, expect, test } from "vitest";
import type { Context } from "../../../../cli/core/context.ts";
import { findBlankVolumes } from "../../../../cli/targets/aws/stack/blank-volumes.ts";
import { parseState } from "../../../../cli/targets/aws/stack/state.ts";

const state = parseState("prod", {
  deployment: {
    resources: [
      {
        type: "aws:ebs/volume:Volume",
        urn: "urn:pulumi:prod::Picture-Perfect-Challenge::imagegen:x$aws:y::image-gen-data",
        id: "vol-1",
        inputs: { availabilityZone: "us-east-1a" },
      },
    ],
  },
});

interface Account {
  /** What a snapshot counts; null: EC2 does not say. */
  readonly bytes?: number | null;
  readonly denies?: "createSnapshot" | "deleteSnapshot";
}

async function find({ bytes = 0, denies }: Account, among?: readonly string[]) {
  const lines: string[] = [];
  const snapshots = new Set<string>();
  const progress = { log: (line: string) => lines.push(line), update: () => {}, stop: () => {} };
  const context = { progress, signal: new AbortController().signal } as unknown as Context;
  const refuse = (action: string) => {
    if (denies === action) throw new Error(`You are not authorized to perform: ec2:${action}`);
  };
  const ec2 = {
    hostsEver: async () => [],
    volume: async () => ({ id: "vol-1", state: "available", attachedTo: null, madeFrom: null }),
    async createSnapshot() {
      refuse("createSnapshot");
      snapshots.add("snap-1");
      return { id: "snap-1" };
    },
    snapshot: async () => ({ id: "snap-1", state: "completed", fullBytes: bytes }),
    async deleteSnapshot(id: string) {
      refuse("deleteSnapshot");
      snapshots.delete(id);
    },
  };
  const stack = { name: "prod", client: { region: "us-east-1" }, state, ec2, ssm: { parameter: async () => null } };
  const found = await findBlankVolumes(context, stack as unknown as Parameters<typeof findBlankVolumes>[1], among);
  return { found, lines, snapshots: [...snapshots] };
}

describe("a volume that no host of the stack ever mounted", () => {
  test("is blank where a snapshot of it has no bytes; the snapshot goes again", async () => {
    expect(await find({})).toEqual({ found: ["vol-1"], lines: [], snapshots: [] });
  });
  test.each<[string, Account, RegExp]>([
    ["that a person wrote to elsewhere", { bytes: 1_048_576 }, /^vol-1 is kept: .*somebody wrote to it\.$/],
    ["of which EC2 does not say it", { bytes: null }, /^vol-1 is kept: .*EC2 does not say/],
    ["that may not be looked into", { denies: "createSnapshot" }, /^vol-1 is kept: no snapshot .*ec2:createSnapshot/],
  ])("%s is none", async (_, account, line) => {
    expect(await find(account)).toEqual({ found: [], lines: [expect.stringMatching(line)], snapshots: [] });
  });
  test("and a snapshot that may not be deleted is named, with the command", async () => {
    const { found, lines } = await find({ denies: "deleteSnapshot" });
    expect([found, lines]).toEqual([
      ["vol-1"],
      [expect.stringMatching(/Fix: aws ec2 delete-snapshot --snapshot-id snap-1 --region us-east-1$/)],
    ]);
  });
  test("is not looked into where nobody asks for it", async () => {
    expect(await find({ denies: "createSnapshot" }, [])).toEqual({ found: [], lines: [], snapshots: [] });
  });
});
