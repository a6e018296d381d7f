import { expect, test } from "vitest";
import { fleetPlanRows } from "../../../../cli/targets/fleet/plan-rows.ts";
import { fleetPlanWith, GATEWAY } from "../../../support/fleet-settings.ts";

const rowsOf = (raw: Record<string, string>) => Object.fromEntries(fleetPlanRows(fleetPlanWith(raw)));

test("a plan says whether there is a gateway, what its tasks are, and how they reach AWS", () => {
  expect(rowsOf({}).gateway).toBe("none: programs send jobs through SQS and S3 themselves");
  expect(rowsOf({}).network).toMatch(/no inbound access$/);
  const open = rowsOf(GATEWAY);
  expect(open.gateway).toBe("2 tasks of 0.5 vCPU and 1 GB on Fargate, with public addresses to reach AWS by");
  expect(open.network).toMatch(/no inbound access but the load balancer's$/);
  const one = rowsOf({ ...GATEWAY, gatewayCount: "1", network: "nat" });
  expect(one.gateway).toBe("1 task of 0.5 vCPU and 1 GB on Fargate");
});

test("a plan says who reaches the load balancer, and that one without egress is internal", () => {
  const line = (raw: Record<string, string>) => {
    const rows = fleetPlanRows(fleetPlanWith({ ...GATEWAY, ...raw }));
    return rows[rows.findIndex(([name]) => name === "gateway") + 1]?.[1];
  };
  expect(line({})).toBe("behind a load balancer with TLS, for 203.0.113.0/24");
  expect(line({ network: "endpoints-only", modelCache: "baked" })).toBe(
    "behind an internal load balancer with TLS, for 203.0.113.0/24",
  );
});
