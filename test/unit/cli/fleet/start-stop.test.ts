import { expect, test } from "vitest";
import { hostsToTerminate } from "../../../../cli/targets/fleet/start-stop.ts";

const host = (id: string, state = "InService", protectedFromScaleIn = false) => ({
  id,
  state,
  type: "g6.xlarge",
  zone: "us-east-1a",
  protectedFromScaleIn,
});

test("stop leaves it to a group to end the hosts that it may end, and ends those that it must keep", () => {
  const hosts = [host("i-1"), host("i-2", "Pending"), host("i-3", "Terminating:Wait")];
  expect(hostsToTerminate([{ least: 0, hosts }])).toEqual([]);
  expect(hostsToTerminate([{ least: 1, hosts }])).toEqual([]);
  expect(hostsToTerminate([{ least: 2, hosts }])).toEqual(["i-1", "i-2"]);
  expect(hostsToTerminate([{ least: 1, hosts: [host("i-4", "Terminating")] }])).toEqual([]);
});

test("stop ends hosts that make pictures, which their group does not, once each", () => {
  const hosts = [host("i-1", "InService", true), host("i-2"), host("i-3", "Terminating", true)];
  expect(hostsToTerminate([{ least: 0, hosts }])).toEqual(["i-1"]);
  expect(hostsToTerminate([{ least: 2, hosts }])).toEqual(["i-1", "i-2"]);
});
