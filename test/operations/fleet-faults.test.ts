/** What a fleet's commands do when AWS does not answer for long, against AWS on loopback. */
import { describe, expect, test } from "vitest";
import { useFleet } from "../support/fakes/moto/fleet-account.ts";

const here = useFleet();

describe("picture", () => {
  test("of a job store that can't be read ends with the reason after half a minute, and cancels the job", async () => {
    here.api.refusedObjects = /result\.json/;
    const { exitCode, stderr } = await here.operator.imagegenOf("aws-fleet", "picture", "x");
    expect([exitCode, stderr.split("\n").at(-1)]).toEqual([1, expect.stringMatching(/^imagegen: .*access denied/)]);
    expect(here.api.refusedReads).toBe(30);
    here.api.refusedObjects = null;
    const [name = "", ...others] = await here.objects();
    expect(others).toEqual([]);
    expect(JSON.parse((await here.read(name)).toString())).toMatchObject({ status: "cancelled" });
  });
});
