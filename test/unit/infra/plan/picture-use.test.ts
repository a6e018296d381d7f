import { expect, test } from "vitest";
import { pictureUse } from "../../../../cli/targets/aws/operations/status.ts";
import { measurePictureUse } from "../../../../infra/plan/prices/picture-use.ts";
import { parseReadyState } from "../../../../infra/readiness/probe-result.ts";

const BEGAN = 1_800_000_000;
const usage = { pictures: 40, busy_seconds: 360, started_at: BEGAN, usd_per_hour: null };
const AN_HOUR_LATER = (BEGAN + 3600) * 1000;

test("seconds are the busy time by picture, and the rest of the time is idle", () => {
  const price = { usdPerHour: 0.8048, source: "the table" };
  expect(measurePictureUse(usage, price, AN_HOUR_LATER)).toEqual({
    pictures: 40,
    since: "2027-01-15T08:00:00.000Z",
    secondsPerPicture: 9,
    idleShare: 0.9,
    usdPerHour: 0.8048,
    priceSource: "the table",
    // 9 s and 90 s of the host for each picture
    busyUsd: 2.01,
    usedUsd: 20.12,
  });
});

test("on AWS the idle share is that of the heartbeat, however old it is", () => {
  const ready = parseReadyState({ phase: "ready", error: null, model: "m", usage });
  const at = new Date(AN_HOUR_LATER).toISOString();
  expect(pictureUse({ ready, at }, null)).toMatchObject({ idleShare: 0.9, secondsPerPicture: 9 });
  expect(pictureUse({ ready, at: "yesterday" }, null)).toBeNull();
});

test("the price of the stack's config counts more than the table's", () => {
  const own = measurePictureUse({ ...usage, usd_per_hour: 2 }, { usdPerHour: 1, source: "the table" }, AN_HOUR_LATER);
  expect(own).toMatchObject({ usdPerHour: 2, priceSource: "the key usdPerHour", busyUsd: 5 });
});

test("without a picture or a price there is no cost", () => {
  expect(measurePictureUse(usage, null, AN_HOUR_LATER)).toMatchObject({ busyUsd: null, usedUsd: null });
  const none = { ...usage, pictures: 0, busy_seconds: 0 };
  expect(measurePictureUse(none, { usdPerHour: 1, source: "x" }, AN_HOUR_LATER)).toMatchObject({
    secondsPerPicture: null,
    idleShare: 1,
    busyUsd: null,
  });
});

test("a service that does not measure its usage, or says it in another form, has none", () => {
  const body = { phase: "ready", error: null, model: "m" };
  expect(parseReadyState({ ...body, usage })?.usage).toEqual(usage);
  expect(parseReadyState(body)).not.toHaveProperty("usage");
  expect(parseReadyState({ ...body, usage: { pictures: "4" } })).not.toHaveProperty("usage");
});
