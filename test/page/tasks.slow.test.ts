/** The tasks of the guide, each done by its steps on the real service; the counts in its table are those counted here. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Hub } from "../support/hub.ts";
import { detail, makePicture, thumbnails } from "../support/page/history.ts";
import { OPERATOR_KEY, OTHER_MODEL, signedIn, startHubOfModels, startWithHub } from "../support/page/hub-service.ts";
import { closeBrowser, openPage } from "../support/page/open-page.ts";
import { isSeen, Person } from "../support/page/person.ts";
import { serviceUrl } from "../support/page/services.ts";
import { paths } from "../support/paths.ts";
import { pythonEnvironment } from "../support/python.ts";
import type { PythonService } from "../support/python-service.ts";

const url = serviceUrl("demo");
const guide = readFileSync(join(paths.root, "docs/guides/page.md"), "utf8");
/** A day, in milliseconds. */
const DAY = 86_400_000;
/** Enough steps to do something meanwhile: the demo model makes dozens in a second. */
const LONG = "150";
afterAll(closeBrowser);

/** The steps of a task: the numbered lines below its heading. */
function stepsOf(task: number): string[] {
  const [, section = ""] = new RegExp(`^### ${task}\\. .*\n([\\s\\S]*?)\n#`, "m").exec(guide) ?? [];
  expect(section, `### ${task}.`).not.toBe("");
  return section.split("\n").filter((line) => /^\d+\. /.test(line));
}

/** What the table says of the page: actions, and how often one scrolls. */
function countsOf(task: number): { actions: number; scrolls: number } {
  const [, actions = "", scrolls] =
    new RegExp(`^\\| ${task}\\. [^|]*\\| (\\d+)(?: and (a|\\d+) scrolls?)? \\|`, "m").exec(guide) ?? [];
  expect(actions, `the row | ${task}.`).not.toBe("");
  return { actions: Number(actions), scrolls: scrolls === "a" ? 1 : Number(scrolls ?? 0) };
}

/** The person did what the guide says, step by step, and its table counts it. */
function expectGuided(task: number, { actions, scrolls }: Person): void {
  const steps = stepsOf(task);
  expect(actions, steps.join("\n")).toHaveLength(steps.length);
  for (const [index, name] of actions.entries()) expect(steps[index]).toContain(`*${name}*`);
  expect(countsOf(task)).toEqual({ actions: actions.length, scrolls });
}

const heading = (page: Page, name: string) => page.getByRole("region", { name });
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
const seeds = async (page: Page) =>
  (
    await thumbnails(page)
      .locator("img")
      .evaluateAll((images) => images.map((image) => image.getAttribute("alt")))
  ).map((alt) => Number(/seed (\d+)$/.exec(alt ?? "")?.[1]));
/** The value of a setting beside the picture that is shown. */
const setting = (page: Page, name: string) =>
  heading(page, "Picture")
    .locator("dl.settings > div")
    .filter({ has: page.getByText(name, { exact: true }) })
    .locator("dd");

/** Makes a picture. It is shown, and the page is at its top: the start of a task. */
async function makeSmall(page: Page, fields: Readonly<Record<string, string>> = {}): Promise<void> {
  await makePicture(page, fields);
  await page
    .locator("#result")
    .getByText(/^Done in/)
    .waitFor();
  await page.evaluate("document.getElementById('picture').decode().then(() => scrollTo(0, 0))");
}

/** One that takes as much of the page as one of SDXL: the history is below the window. */
async function make(page: Page, fields: Readonly<Record<string, string>> = {}): Promise<void> {
  await page.getByRole("radio", { name: /^Other/ }).check();
  await makeSmall(page, { width: "512", height: "512", ...fields });
}

/** Makes a picture a day before the page is opened again. */
async function makeYesterday(page: Page, fields: Readonly<Record<string, string>>): Promise<void> {
  await page.clock.setSystemTime(Date.now() - DAY);
  await make(page, fields);
  await page.clock.setSystemTime(Date.now());
  await page.reload();
  await page.locator("#state[data-phase=ready]").waitFor();
  await thumbnails(page).first().waitFor();
}

async function withPage(work: (page: Page, person: Person) => Promise<void>): Promise<void> {
  const opened = await openPage(url);
  try {
    await work(opened.page, new Person(opened.page));
  } finally {
    await opened.close();
  }
}

test("1: four variants of a picture", () =>
  withPage(async (page, person) => {
    await make(page, { prompt: "A red fox", seed: "77", steps: "3", guidance: "6.5" });
    await page.locator("#prompt").fill("Something else");
    await page.locator("#steps").fill("1");
    const sent = page.waitForRequest((request) => request.url().endsWith("/v1/images/generations"));
    await person.click("History", thumbnails(page).first());
    await person.click("4 other seeds", button(page, "4 other seeds"));
    const body = (await sent).postDataJSON() as Record<string, unknown>;
    expect(body).toMatchObject({ prompt: "A red fox", steps: 3, guidance_scale: 6.5, n: 4 });
    expect(body).not.toHaveProperty("seed");
    await thumbnails(page).nth(4).waitFor();
    expect(new Set(await seeds(page)).size).toBe(5);
    expectGuided(1, person);
  }));

test("2: yesterday's settings", () =>
  withPage(async (page, person) => {
    await makeYesterday(page, { prompt: "A red fox", seed: "77", steps: "3", guidance: "6.5", negative: "text" });
    const yesterday = page.getByRole("list", { name: "Yesterday" }).getByRole("button");
    await person.click("Yesterday", yesterday.first());
    await person.click("Use all settings", button(page, "Use all settings"));
    await detail(page).waitFor({ state: "hidden" });
    for (const [id, value] of Object.entries({
      prompt: "A red fox",
      seed: "77",
      steps: "3",
      guidance: "6.5",
      negative: "text",
    }))
      expect(await page.locator(`#${id}`).inputValue()).toBe(value);
    expectGuided(2, person);
  }));

const PIXELS = `(() => {
  const image = document.getElementById("picture");
  const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const at = (x, y) => [...context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data];
  return { corner: at(0.03, 0.03), other: at(0.9, 0.9) };
})()`;

test("3: one corner of a picture is made again", () =>
  withPage(async (page, person) => {
    await make(page, { steps: "4" });
    await page
      .locator("#result")
      .getByText(/^Done in/)
      .waitFor();
    const before = (await page.evaluate(PIXELS)) as Record<string, number[]>;
    await person.click("Change a part", heading(page, "Picture").getByRole("button", { name: "Change a part" }));
    await person.drag("Paint over the corner", page.locator("#mask-canvas"), [0.02, 0.02], [0.15, 0.15]);
    await page.getByText(/% is covered\.$/).waitFor();
    await person.press("Ctrl+Enter", "Control+Enter");
    await thumbnails(page).nth(1).waitFor();
    await page
      .locator("#result")
      .getByText(/^Done in/)
      .waitFor();
    const after = (await page.evaluate(PIXELS)) as Record<string, number[]>;
    expect(after.other).toEqual(before.other);
    expect(after.corner).not.toEqual(before.corner);
    expectGuided(3, person);
  }));

test("5: the same picture with another scheduler", () =>
  withPage(async (page, person) => {
    await makeSmall(page, { steps: "2" });
    const seed = await setting(page, "Seed").textContent();
    await person.click("Use seed", heading(page, "Picture").getByRole("button", { name: "Use seed" }));
    await person.click("More", page.locator("#more summary"));
    await person.click("Scheduler", page.locator("#scheduler"));
    const scheduler = (await page.locator("#scheduler option").nth(2).getAttribute("value")) ?? "";
    await person.choose("name of the scheduler", page.locator("#scheduler"), scheduler);
    await person.press("Ctrl+Enter", "Control+Enter");
    await setting(page, "Scheduler").getByText(scheduler, { exact: true }).waitFor();
    await thumbnails(page).nth(1).waitFor();
    expect(await setting(page, "Seed").textContent()).toBe(seed);
    expectGuided(5, person);
  }));

test("6: the running picture is cancelled, and the queue kept", () =>
  withPage(async (page, person) => {
    for (const [prompt, steps] of Object.entries({ first: LONG, second: "5", third: "5" })) {
      await page.locator("#prompt").fill(prompt);
      await page.locator("#steps").fill(steps);
      await page.locator("#make").click();
    }
    const rows = heading(page, "Requests").getByRole("listitem");
    await rows
      .nth(2)
      .getByText(/^Place 2 in the queue/)
      .waitFor();
    await page.locator("#result").getByText(/^Step/).waitFor();
    await person.click("Cancel", heading(page, "Picture").getByRole("button", { name: "Cancel" }));
    await rows.nth(0).getByText("Cancelled").waitFor();
    await thumbnails(page).nth(1).waitFor();
    expect(
      await thumbnails(page)
        .locator("img")
        .evaluateAll((images) => images.map((image) => image.getAttribute("alt"))),
    ).toEqual([expect.stringMatching(/^third, /), expect.stringMatching(/^second, /)]);
    expectGuided(6, person);
  }));

test("7: two pictures side by side", () =>
  withPage(async (page, person) => {
    await make(page, { prompt: "one" });
    await make(page, { prompt: "other" });
    await person.click("Compare two", button(page, "Compare two"));
    await person.click("first picture", thumbnails(page).nth(0));
    await person.click("second picture", thumbnails(page).nth(1));
    const compared = page.getByRole("dialog", { name: "Compare" }).getByRole("img");
    const [one, other] = [await compared.nth(0).boundingBox(), await compared.nth(1).boundingBox()];
    if (!one || !other) throw new Error("not two pictures");
    expect(one.x + one.width).toBeLessThanOrEqual(other.x);
    expectGuided(7, person);
  }));

test("8: all pictures in one file", () =>
  withPage(async (page, person) => {
    for (const prompt of ["one", "two", "three"]) await make(page, { prompt });
    const started = page.waitForEvent("download");
    await person.click("Download all", button(page, "Download all"));
    const { stdout } = await execa(await pythonEnvironment(), ["-m", "zipfile", "-l", await (await started).path()]);
    const [, ...files] = stdout.split("\n").map((line) => line.split(/[-\s]/)[0]);
    expect(files.toSorted()).toEqual(["one", "settings.json", "three", "two"]);
    expectGuided(8, person);
  }));

test("9: the request of a picture as a program", () =>
  withPage(async (page, person) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await make(page, { prompt: "A red fox", seed: "77" });
    await person.click("History", thumbnails(page).first());
    await person.click("Copy as Python", button(page, "Copy as Python"));
    await page.getByText("The program is in the clipboard.").waitFor();
    const program = (await page.evaluate("navigator.clipboard.readText()")) as string;
    for (const line of ["client.images.generate(", 'prompt="A red fox"', '"seed": 77']) expect(program).toContain(line);
    expectGuided(9, person);
  }));

describe("with models on a hub", () => {
  let hub: Hub;
  let service: PythonService | undefined;
  beforeAll(async () => {
    hub = await startHubOfModels();
  });
  afterAll(async () => {
    service?.stop();
    await hub.stop();
  });

  test("4: why the service is not ready is there without an action", async () => {
    await hub.knobs({ status: 401 });
    service = await startWithHub(hub, { FAST: "1" }, { wait: false });
    const opened = await openPage(service.url, { before: signedIn(OPERATOR_KEY), ready: false });
    const { page } = opened;
    const person = new Person(page);
    await page.getByRole("heading", { name: "Not ready" }).waitFor();
    for (const text of [page.getByText(/requires a token/).first(), page.getByText(/^Fix: .*HF_TOKEN/).first()]) {
      await text.waitFor();
      expect(await isSeen(page, text)).toBe(true);
    }
    // Of a service that is not ready, the browser itself writes its 503 to the console.
    opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((each) => !each.includes("503")));
    await opened.close();
    service.stop();
    expectGuided(4, person);
  });

  test("10: a model that nothing uses is deleted", async () => {
    await hub.knobs({ status: null });
    service = await startWithHub(hub);
    const opened = await openPage(service.url, { before: signedIn(OPERATOR_KEY) });
    const { page } = opened;
    await page.getByLabel("Model to download for later").fill(OTHER_MODEL);
    await page.getByRole("button", { name: "Prefetch" }).click();
    await page.getByText(`${OTHER_MODEL} is complete`).waitFor();
    await page.reload();
    const person = new Person(page);
    await person.click("Delete", button(page, `Delete ${OTHER_MODEL}`));
    await person.click("Delete …", page.getByRole("dialog").getByRole("button", { name: /^Delete / }));
    await page.getByText(new RegExp(`^Deleted ${OTHER_MODEL}: .+ are free again\\.$`)).waitFor();
    await expect.poll(() => button(page, `Delete ${OTHER_MODEL}`).count()).toBe(0);
    await opened.close();
    expectGuided(10, person);
  });
});
