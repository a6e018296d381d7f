/** Before the service is ready: the download with its rate, what failed and its fix, and the timeline of the start. */
import type { Page, Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Hub } from "../support/hub.ts";
import { OPERATOR_KEY, signedIn, startHubOfModels, startWithHub } from "../support/page/hub-service.ts";
import { closeBrowser, LOOKS, modelKnown, type OpenPage, openPage } from "../support/page/open-page.ts";
import { serviceUrl } from "../support/page/services.ts";
import type { PythonService } from "../support/python-service.ts";

/** Of a service that is not ready, the browser itself writes its 503 to the console. */
const notReady = (opened: OpenPage) => {
  opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((each) => !each.includes("503")));
};
const isClipped = "document.documentElement.scrollWidth > innerWidth";
const before = signedIn(OPERATOR_KEY);
let hub: Hub;
beforeAll(async () => {
  hub = await startHubOfModels();
});
afterAll(async () => {
  await closeBrowser();
  await hub.stop();
});

describe("a download", () => {
  let service: PythonService;
  beforeAll(async () => {
    await hub.knobs({ line_bytes_per_second: 120_000 });
    service = await startWithHub(hub, {}, { wait: false });
  });
  afterAll(() => service.stop());

  test.each(LOOKS)("shows bytes, rate and time left: $layout, $scheme", async (look) => {
    const opened = await openPage(service.url, { ...look, before, ready: false });
    const { page } = opened;
    await page.getByText(/^downloading the model: .+ of .+, .+\/s, .+ left$/).waitFor();
    await page
      .getByText(/\.(safetensors|json|txt)$/)
      .first()
      .waitFor();
    expect(await page.getByRole("progressbar", { name: "Getting ready" }).getAttribute("value")).toMatch(/^\d+$/);
    const phases = page.getByRole("list", { name: "This start" }).getByRole("listitem");
    await phases.filter({ hasText: "downloading the model" }).waitFor();
    await page.getByText(/^incomplete: .+ of .+, in use by this service/).waitFor();
    // What the start downloads by itself, nobody is asked to download or delete.
    expect(await page.getByRole("button", { name: /^(Download|Delete)/ }).count()).toBe(0);
    expect(await opened.violations()).toEqual([]);
    expect(await page.evaluate(isClipped)).toBe(false);
    notReady(opened);
    await opened.close();
  });

  test("ends in a page that is ready, with a timeline of all phases", async () => {
    const opened = await openPage(service.url, { before, ready: false });
    await opened.page.getByText(/ left$/).waitFor();
    // The file that is being sent keeps its rate.
    await hub.knobs({ line_bytes_per_second: null });
    await opened.page.locator("#state[data-phase=ready]").waitFor({ timeout: 120_000 });
    expect(await opened.page.getByRole("heading", { name: "Getting ready" }).isHidden()).toBe(true);
    await opened.page.getByText(/^Ready after [\d.]+ s\.$/).waitFor();
    const entries = await opened.page.getByRole("list", { name: "This start" }).getByRole("listitem").allInnerTexts();
    for (const name of ["starting", "importing torch and diffusers", "downloading the model", "making a first picture"])
      expect(entries.some((entry) => entry.startsWith(name))).toBe(true);
    notReady(opened);
    await opened.close();
  });
});

describe("a start that has failed", () => {
  let service: PythonService;
  beforeAll(async () => {
    await hub.knobs({ status: 401 });
    service = await startWithHub(hub, { FAST: "1" }, { wait: false });
  });
  afterAll(() => service.stop());

  test.each(LOOKS)("says what failed and its fix: $layout, $scheme", async (look) => {
    const opened = await openPage(service.url, { ...look, before, ready: false });
    const { page } = opened;
    await page.getByRole("heading", { name: "Not ready" }).waitFor();
    const alert = page.getByRole("alert").filter({ hasText: "requires a token" });
    await alert.getByText(/^Fix: .*HF_TOKEN/).waitFor();
    await page.getByText("It is tried again when what it failed for has changed").waitFor();
    await page.getByRole("listitem").filter({ hasText: "failed (UNAUTHORIZED)" }).waitFor();
    await page.getByText("No model is cached.").waitFor();
    expect(await opened.violations()).toEqual([]);
    expect(await page.evaluate(isClipped)).toBe(false);
    notReady(opened);
    await opened.close();
  });

  test("that is tried again by itself says so, and becomes ready when the cause is gone", async () => {
    await hub.knobs({ status: 500 });
    const opened = await openPage(service.url, { before, ready: false });
    await opened.page.getByText("It is tried again by itself.").waitFor();
    await hub.knobs({ status: null });
    await opened.page.locator("#state[data-phase=ready]").waitFor();
    await opened.page
      .getByRole("listitem")
      .filter({ hasText: /^failed \(/ })
      .first()
      .waitFor();
    notReady(opened);
    await opened.close();
  });
});

describe("a network that loses requests", () => {
  /** The first requests for a path, of which the page may send two at once. */
  const first = (path: string, count: number, lose: (route: Route) => Promise<void>) => (page: Page) => {
    let left = count;
    return page.route(`**/${path}`, (route) => {
      left -= 1;
      return left < 0 ? route.continue() : lose(route);
    });
  };
  /** As where a connection was cut unseen. */
  const unanswered = async () => {};

  test("has a page that gets ready all the same, and knows the model", async () => {
    const lose = async (page: Page) => {
      await first("readyz", 1, unanswered)(page);
      await first("v1/models", 2, unanswered)(page);
    };
    const opened = await openPage(serviceUrl("demo"), { before: lose, ready: false });
    await opened.page.locator("#state[data-phase=ready]").waitFor();
    await modelKnown(opened.page);
    await opened.close();
  });

  test("has a page that asks again for the model after a failure", async () => {
    const failing = first("v1/models", 2, (route) => route.abort("connectionreset"));
    const opened = await openPage(serviceUrl("demo"), { before: failing, ready: false });
    await modelKnown(opened.page);
    expect(opened.problems.splice(0)).toEqual(Array(2).fill(expect.stringContaining("ERR_CONNECTION_RESET")));
    await opened.close();
  });

  // A lost style sheet has rules that can't be read.
  const STYLED = `[...document.querySelectorAll("link[rel=stylesheet]")].every(({ sheet }) => {
    try {
      return sheet.cssRules.length > 0;
    } catch {
      return false;
    }
  })`;
  test.each([
    ["a module", "service/status.js", 1],
    ["the first module, twice", "main.js", 2],
    ["all modules", "**/*.js", 5],
    ["a style sheet", "styles/form.css", 1],
    ["a style sheet, twice", "styles/form.css", 2],
    ["all files", "**/*", 8],
  ])("has a page that asks for %s again", async (_what, path, count) => {
    const lost = first(`page/*/${path}`, count, (route) => route.abort("connectionreset"));
    const opened = await openPage(serviceUrl("demo"), { before: lost });
    await vi.waitUntil(() => opened.page.evaluate(STYLED), { timeout: 30_000 });
    expect(opened.problems.splice(0)).toEqual(Array(count).fill(expect.stringContaining("ERR_CONNECTION_RESET")));
    await opened.close();
  });

  test("has a page that loads itself again when another version has replaced its files", async () => {
    const replaced = first("page/*/service/status.js", 1, (route) => route.fulfill({ status: 404 }));
    const opened = await openPage(serviceUrl("demo"), { before: replaced });
    expect(opened.problems.splice(0)).toEqual([expect.stringContaining("404")]);
    await opened.close();
  });
});

test("the demo service shows the timeline of its own start, with the engine's import beside the download", async () => {
  const opened = await openPage(serviceUrl("demo"));
  const list = opened.page.getByRole("list", { name: "This start" });
  const rows = list.getByRole("listitem");
  await rows.filter({ hasText: "loading the model" }).first().waitFor();
  const starts = (await rows.allTextContents()).map((text) => Number(/after ([\d.]+) s/.exec(text)?.[1]));
  expect(starts.length).toBeGreaterThanOrEqual(5);
  expect(starts).toEqual(starts.toSorted((one, other) => one - other));
  await opened.close();
});
