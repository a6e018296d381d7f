/** The models that are kept, and prefetch, verify and delete for a key that may, by keyboard alone. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Hub } from "../support/hub.ts";
import {
  OPERATOR_KEY,
  OTHER_MODEL,
  READER_KEY,
  signedIn,
  startHubOfModels,
  startWithHub,
} from "../support/page/hub-service.ts";
import { closeBrowser, LOOKS, type OpenPage, openPage } from "../support/page/open-page.ts";
import { serviceUrl } from "../support/page/services.ts";
import type { PythonService } from "../support/python-service.ts";

const isClipped = "document.documentElement.scrollWidth > innerWidth";
const before = signedIn(OPERATOR_KEY);
let hub: Hub;
let service: PythonService;
beforeAll(async () => {
  hub = await startHubOfModels();
  service = await startWithHub(hub);
});
afterAll(async () => {
  await closeBrowser();
  service.stop();
  await hub.stop();
});

async function fine(opened: OpenPage): Promise<void> {
  expect(await opened.violations()).toEqual([]);
  expect(await opened.page.evaluate(isClipped)).toBe(false);
}

/** Types a model's id and presses Enter. */
async function prefetch({ page }: OpenPage, model: string): Promise<void> {
  const field = page.getByLabel("Model to download for later");
  await field.fill(model);
  await field.press("Enter");
}

const api = (path: string, method = "GET", body?: object) =>
  fetch(`${service.url}/v1/cache${path}`, {
    method,
    headers: { authorization: `Bearer ${OPERATOR_KEY}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });

/** The other model is in the cache, or is not. */
async function given(isCached: boolean): Promise<void> {
  const answer = await (isCached
    ? api("/prefetch", "POST", { model: OTHER_MODEL })
    : api(`/models/${OTHER_MODEL}`, "DELETE"));
  if (answer.status === 404) return;
  expect(answer.status).toBe(202);
  const { id } = (await answer.json()) as { id: string };
  for (;;) {
    const { status } = (await (await api(`/operations/${id}`)).json()) as { status: string };
    if (status === "succeeded") return;
    expect(status).toBe("running");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe("the list", () => {
  test.each(LOOKS)("has the served model, its state and the room on the disk: $layout, $scheme", async (look) => {
    const opened = await openPage(service.url, { ...look, before });
    const { page } = opened;
    const entry = page
      .getByRole("list", { name: "Cached models" })
      .getByRole("listitem")
      .filter({ hasText: "image-gen/demo" });
    await entry.getByText(/ MB, complete, in use by this service/).waitFor();
    await entry.getByText(/verified .*20\d\d/).waitFor();
    await page.getByText(/kept.*; .+ of .+ free$/).waitFor();
    expect(await page.getByRole("meter", { name: "Disk space in use" }).isVisible()).toBe(true);
    // It is in use.
    expect(await page.getByRole("button", { name: "Delete image-gen/demo" }).count()).toBe(0);
    await page.getByRole("button", { name: "Verify image-gen/demo" }).waitFor();
    await fine(opened);
    await opened.close();
  });

  test.each(LOOKS)("has no actions for a key that may not: $layout, $scheme", async (look) => {
    const opened = await openPage(service.url, { ...look, before: signedIn(READER_KEY) });
    const { page } = opened;
    await page.getByText("To change the cache: a key with the permission “cache”").waitFor();
    await page.getByRole("listitem").filter({ hasText: "image-gen/demo" }).waitFor();
    expect(await page.getByRole("button", { name: /^(Verify|Delete|Prefetch|Download|Repair)/ }).count()).toBe(0);
    await fine(opened);
    await opened.close();
  });

  test("is that of the demo service without keys, where nobody may", async () => {
    const opened = await openPage(serviceUrl("demo"));
    await opened.page.getByRole("listitem").filter({ hasText: "image-gen/demo" }).waitFor();
    await opened.page.getByText("To change the cache").waitFor();
    expect(await opened.page.getByLabel("Model to download for later").isHidden()).toBe(true);
    await opened.close();
  });
});

describe("an operation", () => {
  test.each(LOOKS)(
    "shows how far it is, is found again after a reload, and is cancelled: $layout, $scheme",
    async (look) => {
      await given(false);
      await hub.knobs({ line_bytes_per_second: 40_000 });
      const opened = await openPage(service.url, { ...look, before });
      const { page } = opened;
      await prefetch(opened, OTHER_MODEL);
      await page.getByText(`Downloading ${OTHER_MODEL} …`).waitFor();
      await page.getByText(/^.+ of .+, .+\/s, .+ left$/).waitFor();
      expect(await page.getByRole("button", { name: "Verify all" }).getAttribute("aria-disabled")).toBe("true");
      await fine(opened);
      await page.reload();
      const cancel = page.getByRole("button", { name: "Cancel", exact: true });
      await cancel.focus();
      await page.keyboard.press("Enter");
      await page.getByText("was cancelled. What has arrived is kept.").waitFor();
      expect(await page.locator("#operation-error").textContent()).toBe("");
      await fine(opened);
      await hub.knobs({ line_bytes_per_second: null });
      await opened.close();
    },
  );

  test.each(LOOKS)("that fails says why, and its fix: $layout, $scheme", async (look) => {
    const opened = await openPage(service.url, { ...look, before });
    await prefetch(opened, "test/nowhere");
    await opened.page.getByText("Downloading test/nowhere failed.").waitFor();
    await opened.page
      .getByRole("alert")
      .filter({ hasText: "has no model test/nowhere" })
      .getByText(/^Fix: /)
      .waitFor();
    await fine(opened);
    await opened.close();
  });

  test("that the service refuses is an error beside it", async () => {
    const opened = await openPage(service.url, { before });
    await prefetch(opened, "../etc");
    await opened.page.getByText('model: expected <organisation>/<name>, got "../etc".').waitFor();
    await fine(opened);
    opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((each) => !each.includes("400")));
    await opened.close();
  });

  test("a model is fetched, verified and deleted by keyboard, and the deletion says first what goes", async () => {
    await given(false);
    const opened = await openPage(service.url, { before });
    const { page } = opened;
    await prefetch(opened, OTHER_MODEL);
    await page.getByText(new RegExp(`${OTHER_MODEL} is complete: .+ downloaded`)).waitFor();
    const press = async (name: string) => {
      await page.getByRole("button", { name, exact: true }).focus();
      await page.keyboard.press("Enter");
    };
    await press(`Verify ${OTHER_MODEL}`);
    await page.getByText("Every file of 1 model matches its hash.").waitFor();
    await page
      .getByRole("listitem")
      .filter({ hasText: OTHER_MODEL })
      .getByText(/verified .*20\d\d/)
      .waitFor();

    await press(`Delete ${OTHER_MODEL}`);
    const dialog = page.getByRole("dialog", { name: `Delete ${OTHER_MODEL}?` });
    await dialog.getByText(/Everything cached of this model will be deleted: .+ MB\. Other models stay\./).waitFor();
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Keep it");
    await fine(opened);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Delete");
    expect(await page.getByRole("listitem").filter({ hasText: OTHER_MODEL }).count()).toBe(1);

    await press(`Delete ${OTHER_MODEL}`);
    await dialog.waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByText(/Deleted test\/other: .+ MB are free again\./).waitFor();
    await page.getByRole("listitem").filter({ hasText: OTHER_MODEL }).waitFor({ state: "detached" });
    await opened.close();
  });

  test.each(LOOKS)("a confirmation is whole and accessible: $layout, $scheme", async (look) => {
    await given(true);
    const opened = await openPage(service.url, { ...look, before });
    await opened.page.getByRole("button", { name: `Delete ${OTHER_MODEL}` }).click();
    await opened.page
      .getByRole("dialog")
      .getByRole("button", { name: /^Delete .+ MB$/ })
      .waitFor();
    await fine(opened);
    await opened.page.getByRole("button", { name: "Keep it" }).click();
    await opened.close();
  });

  test("damage is named, and repaired", async () => {
    await given(true);
    service.damage(OTHER_MODEL);
    const opened = await openPage(service.url, { before });
    const { page } = opened;
    await page.getByRole("button", { name: "Verify all" }).click();
    await page.getByText("Not every file of 2 models matches its hash.").waitFor();
    await page.getByText(new RegExp(`^${OTHER_MODEL}, damaged: `)).waitFor();
    await fine(opened);
    await page.getByRole("button", { name: "Repair" }).click();
    await page.getByText(new RegExp(`${OTHER_MODEL} is complete: .+ downloaded`)).waitFor();
    await page.getByRole("button", { name: `Verify ${OTHER_MODEL}` }).click();
    await page.getByText("Every file of 1 model matches its hash.").waitFor();
    await opened.close();
  });
});
