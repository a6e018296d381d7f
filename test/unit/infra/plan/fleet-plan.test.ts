import { describe, expect, test } from "vitest";
import { chooseGatewaySubnets, gatewayZones } from "../../../../infra/plan/fleet/network.ts";
import { fleetProblemsOf } from "../../../../infra/plan/fleet/plan.ts";
import { fleetPlanWith, fleetSettings, GATEWAY } from "../../../support/fleet-settings.ts";
import { manifest } from "../../../support/settings.ts";

describe("the forecast from zero", () => {
  test("is the sum of its steps, and shorter where whoever sends the job asks for the host", () => {
    const { forecast } = fleetPlanWith();
    const total = forecast.steps.reduce((sum, { seconds }) => sum + seconds, 0);
    expect(forecast.zeroSeconds).toBe(total);
    expect(forecast.zeroSeconds - forecast.askedSeconds).toBe(120);
    expect(forecast.askedSeconds - forecast.warmUpSeconds).toBe(10);
  });

  test("counts a baked model as part of the image, and fetches none", () => {
    const steps = (raw: Record<string, string>) =>
      Object.fromEntries(fleetPlanWith(raw).forecast.steps.map(({ what, seconds }) => [what, seconds]));
    const [volume, baked] = [steps({}), steps({ modelCache: "baked" })];
    expect(volume["the model is fetched"]).toBe(Math.round(fleetPlanWith().model.modelBytes / 100e6));
    expect(baked["the model is fetched"]).toBe(0);
    expect(baked["the image is pulled"]).toBeGreaterThan(volume["the image is pulled"] ?? 0);
  });
});

describe("the cost at a load", () => {
  test("of jobs at random times is that of a host which is hardly ever long without one", () => {
    const { load } = fleetPlanWith({}, { pictures: 20_000 });
    // λT = 20000 / 730 × 0.25 = 6.85: one pause in a thousand is longer.
    expect(load.hostHours).toBeCloseTo(730 * (1 - Math.exp(-6.849)) + 20_000 * Math.exp(-6.849) * 0.0503, 0);
    expect(load.usdPer1000).toBeCloseTo((load.usdPerMonth ?? 0) / 20, 2);
  });

  test("of many jobs is that of their own time, with hosts that are busy for 70 % of theirs", () => {
    const { load } = fleetPlanWith({}, { pictures: 1_000_000, seconds: 9 });
    expect(load.hostHours).toBeCloseTo((1_000_000 * 9) / 3600 / 0.7, 0);
    expect(load.secondsPerPicture).toBe(9);
  });

  test("of few jobs is that of each one's start and the time after it", () => {
    const { load, forecast } = fleetPlanWith({}, { pictures: 10 });
    const none = Math.exp((-10 / 730) * 0.25);
    const hours = 730 * (1 - none) + (10 * none * forecast.warmUpSeconds) / 3600;
    expect(load.hostHours).toBeCloseTo(hours, 1);
    expect(load.hostHours).toBeLessThan(5);
  });

  test("counts hosts that are always there, and a given idle share", () => {
    expect(fleetPlanWith({ minHosts: "2" }).load.hostHours).toBe(1460);
    const { load } = fleetPlanWith({}, { pictures: 36_000, seconds: 10, idleShare: 0.5 });
    expect(load.hostHours).toBe(200);
  });

  test("counts the requests of hosts that are there, with those for pending webhooks", () => {
    const requests = (raw: Record<string, string>) =>
      fleetPlanWith({ minHosts: "2", ...raw }).cost.items.find(({ what }) => what.startsWith("requests to S3"))
        ?.usdPerMonth ?? 0;
    // 2 × 730 × 180 × 0.005 / 1000.
    expect(requests(WEBHOOKS) - requests({})).toBeCloseTo(1.31, 1);
    // Each of two tasks reads a host's record 360 times an hour, at 0.0004 for a thousand.
    expect(requests(GATEWAY) - requests({})).toBeCloseTo(0.42, 1);
  });

  test("at most is that of the dearest type of the list, which a group may start as well", () => {
    const most = (instanceTypes: string, raw: Record<string, string> = {}) =>
      fleetPlanWith({ instanceTypes, ...raw }).load.mostUsdPerMonth;
    expect(most("g6.xlarge,g6.2xlarge")).toBe(most("g6.2xlarge"));
    expect(most("g6.xlarge")).toBeLessThan(most("g6.2xlarge") ?? 0);
    expect(most("g6.xlarge,g9.xlarge")).toBeNull();
    // Of the usual list, g5.xlarge, at 1.006 USD on demand: one host of the rescue group.
    const usual = (rescueHosts: string) => most("g6.xlarge,g5.xlarge,g4dn.xlarge", { rescueHosts }) ?? 0;
    expect(usual("1") - usual("0")).toBeCloseTo(730 * 1.006, 1);
  });

  test("has all results that are kept at a time, also those of earlier months", () => {
    const kept = (resultDays: string) => {
      const row = fleetPlanWith({ resultDays }).cost.items.find(({ what }) => what.startsWith("results in S3"));
      return [row?.what, row?.usdPerMonth];
    };
    // 20,000 of 2 MB a month, at 0.023 a GB.
    expect(kept("30")).toEqual(["results in S3, 40 GB", 0.92]);
    expect(kept("90")).toEqual(["results in S3, 120 GB", 2.76]);
  });

  test("of a month without a job has no host, no disk and no address", () => {
    const { cost } = fleetPlanWith();
    const idle = cost.items.filter(({ whileStopped }) => whileStopped).map(({ what }) => what.replace(/[\d.]+/g, "#"));
    expect(idle).toEqual(["image in ECR, # GB at most", "alarms on # metrics; ten of an account are free"]);
    expect(cost.stoppedUsdPerMonth).toBeLessThan(5);
    expect(cost.runningUsdPerMonth).toBeGreaterThan(cost.stoppedUsdPerMonth);
  });

  test("has a row for each part of the network and for the dashboard", () => {
    const rows = (raw: Record<string, string>) => fleetPlanWith(raw).cost.items.map(({ what }) => what);
    expect(rows({ network: "nat" })).toContain("NAT gateway with its address");
    expect(rows({ network: "endpoints-only", modelCache: "baked" })).toContain("9 interface endpoints");
    expect(rows({ dashboard: "true" })).toContain("CloudWatch dashboard; three of an account are free");
    expect(rows({}).some((what) => what.startsWith("public addresses"))).toBe(true);
    expect(rows({ network: "nat" }).some((what) => what.startsWith("public addresses"))).toBe(false);
  });

  test("says what is not known: a type without a price", () => {
    const { cost, load } = fleetPlanWith({ instanceTypes: "g9.xlarge" });
    expect(cost.incomplete).toBe(true);
    expect([load.usdPer1000, load.usdPerMonth, load.mostUsdPerMonth]).toEqual([null, null, null]);
  });
});

describe("what can't work is refused before anything is made", () => {
  const problems = (raw: Record<string, string>) =>
    fleetProblemsOf(fleetSettings(raw), fleetPlanWith(raw), manifest).map(
      ({ path, expected, got }) => `${path}: ${expected}, ${got}`,
    );

  test("a GPU that is too small", () => {
    expect(problems({ instanceTypes: "g6.xlarge,g6f.xlarge" })).toEqual([
      expect.stringMatching(/instanceTypes: GPUs with \d+ MiB or more, for this model, g6f\.xlarge with 2861 MiB$/),
    ]);
  });

  test("nothing of the usual list", () => {
    expect(problems({})).toEqual([]);
  });

  test("an environment that no parameter holds", () => {
    expect(problems({ environment: `LONG=${"x".repeat(4000)}` })[0]).toContain(
      "environment: all variables of the service in",
    );
  });
});

describe("warnings", () => {
  test("a patience that is shorter than a start, and a fleet without a mirror", () => {
    expect(fleetPlanWith({ patienceSeconds: "120" }).warnings).toEqual([
      expect.stringMatching(/^patienceSeconds 120 is less than the \d+ s/),
      "There is no modelMirror: each new host downloads the model from the Hub.",
    ]);
    expect(fleetPlanWith({ modelMirror: "s3://models/mirror" }).warnings).toEqual([]);
  });

  test("a type whose disks nobody knows", () => {
    expect(fleetPlanWith({ instanceTypes: "g9.xlarge", modelMirror: "s3://models/mirror" }).warnings).toEqual([
      "g9.xlarge is not in the table of instance stores: a host without NVMe disks of its own never starts.",
    ]);
  });
});

const WEBHOOKS = {
  environmentSecretArns:
    '{"IMAGE_GEN_WEBHOOK_SECRET":"arn:aws:secretsmanager:us-east-1:123456789012:secret:webhooks-AbCdEf"}',
};

describe("a gateway", () => {
  const rows = (raw: Record<string, string>) =>
    Object.fromEntries(
      fleetPlanWith({ ...GATEWAY, ...raw }).cost.items.map(({ what, usdPerMonth }) => [what, usdPerMonth]),
    );

  test("costs its tasks and their addresses, the load balancer and its addresses, whether there are jobs or not", () => {
    const [without, plan] = [fleetPlanWith(), fleetPlanWith(GATEWAY)];
    expect(without.gateway).toBeNull();
    const own = {
      // 2 × (0.5 × 0.04048 + 1 × 0.004445) × 730.
      "gateway on Fargate, 2 tasks of 0.5 vCPU and 1 GB": 36.04,
      "public addresses of the gateway, 2 tasks": 7.3,
      // 2 × 730 × 360 × (0.005 / 1000 + 0.40 / 1000000).
      "requests of the gateway for workers and jobs": 2.84,
      "load balancer": 16.43,
      "2 public addresses of the load balancer": 7.3,
    };
    expect(rows({})).toMatchObject(own);
    const alarms = 4 * 0.1;
    const more = Object.values(own).reduce((sum, usd) => sum + usd, alarms);
    expect(plan.cost.stoppedUsdPerMonth - without.cost.stoppedUsdPerMonth).toBeCloseTo(more, 1);
    // 2 × 730 × 180 × 0.005 / 1000 more.
    expect(rows(WEBHOOKS)).toHaveProperty("requests of the gateway for workers, jobs and pending webhooks", 4.15);
    expect(rows({ gatewayCount: "1" })).toHaveProperty("gateway on Fargate, 1 task of 0.5 vCPU and 1 GB", 18.02);
    expect(Object.keys(rows({ network: "nat" })).filter((what) => what.includes("addresses"))).toEqual([
      "2 public addresses of the load balancer",
    ]);
    const closed = Object.keys(rows({ network: "endpoints-only", modelCache: "baked" }));
    expect(closed.filter((what) => what.includes("addresses"))).toEqual([]);
    expect(closed).toContain("10 interface endpoints");
  });

  test("has no room for an image that is larger than half of a task's largest disk", () => {
    const raw = { ...GATEWAY, modelCache: "baked", gatewayCount: "1" };
    const plan = fleetPlanWith(raw);
    expect(fleetProblemsOf(fleetSettings(raw), plan, manifest)).toEqual([]);
    const large = { ...plan, gateway: plan.gateway && { ...plan.gateway, diskGib: 201 } };
    expect(fleetProblemsOf(fleetSettings(raw), large, manifest)).toMatchObject([
      {
        path: "Picture-Perfect-Challenge:modelCache",
        expected: "volume with a gateway, whose tasks have 200 GiB for the image at most",
        got: "an image that takes 201 GiB",
      },
    ]);
  });

  test("and the hosts have the webhooks' secret, and it alone keeps pictures under addresses", () => {
    const arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:webhooks-AbCdEf";
    const raw = { ...GATEWAY, environmentSecretArns: `IMAGE_GEN_WEBHOOK_SECRET=${arn}`, pictureUrlSeconds: "60" };
    const { gateway, deployment } = fleetPlanWith(raw);
    expect(gateway?.secrets).toMatchObject({ IMAGE_GEN_WEBHOOK_SECRET: arn });
    expect(deployment.secrets).toMatchObject({ IMAGE_GEN_WEBHOOK_SECRET: arn });
    expect(gateway?.environment).toMatchObject({ IMAGE_GEN_PICTURE_URL_SECONDS: "60" });
    expect(deployment.environment).not.toHaveProperty("IMAGE_GEN_PICTURE_URL_SECONDS");
  });

  test("that is turned off says which keys do nothing", () => {
    const off = { ...GATEWAY, gatewayCount: "0", pictureUrlSeconds: "60", modelMirror: "s3://models/mirror" };
    const { warnings } = fleetPlanWith(off);
    expect(warnings).toEqual([
      "gatewayCount is 0: there is no gateway, and no use for certificateArn, allowedCidrs, apiKeySecretArn, pictureUrlSeconds.",
    ]);
  });

  test("is in two zones, of those that hosts are in where they suffice", () => {
    const zones = ["a", "b", "c", "d"];
    expect(gatewayZones(zones, ["b", "c", "d"])).toEqual(["b", "c"]);
    expect(gatewayZones(zones, ["c"])).toEqual(["c", "a"]);
  });

  test("in existing subnets is where the balancer reaches it, with an address where its hosts have one", () => {
    const subnet = (id: string, zone: string, isPublic = false) => ({ id, zone, isPublic });
    const own = [subnet("1", "a"), subnet("2", "b"), subnet("3", "c")];
    const balancer = [subnet("4", "b", true), subnet("5", "c", true)];
    expect(chooseGatewaySubnets(own, balancer)).toEqual({ subnetIds: ["2", "3"], publicAddresses: false });
    expect(chooseGatewaySubnets([subnet("1", "b", true)], balancer)).toMatchObject({ publicAddresses: true });
    expect(chooseGatewaySubnets([subnet("1", "a")], balancer)).toMatchObject({
      problem: { expected: "a zone of subnetIds (a): a load balancer reaches no task in another one" },
    });
    expect(chooseGatewaySubnets(own, [subnet("4", "b"), subnet("5", "b")])).toMatchObject({
      problem: { expected: "subnets in two zones or more", got: "subnets in b" },
    });
  });
});
