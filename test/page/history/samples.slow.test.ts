/** What is copied as curl and as Python is run against the service, and gives the very picture. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesOf, detail, hash, makePicture, openPicture, thumbnails } from "../../support/page/history.ts";
import { closeBrowser, openPage } from "../../support/page/open-page.ts";
import { KEY, serviceUrl } from "../../support/page/services.ts";
import { chooseSource, paintMask } from "../../support/page/source.ts";
import { pythonEnvironment } from "../../support/python.ts";

const run = promisify(execFile);
/** All that a shell, a form of curl or Python could take for more than a letter. */
const HARD =
  'it\'s "quoted" `id` $HOME $' +
  "{HOME} $(id) !! \\n \\ %s #x;type=text/html,\n@file <file & | * ? ~ 雨 🦊 \u2028 {x} 'end";
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "imagegen-samples-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
afterAll(closeBrowser);

/** The bytes of the one file that a command writes; others that it needs are there. */
async function written(program: string, args: readonly string[], key = "none"): Promise<Buffer> {
  const before = new Set(readdirSync(folder));
  const { PATH } = process.env;
  await run(program, args, { cwd: folder, env: { PATH, HOME: folder, IMAGE_GEN_API_KEY: key, LANG: "C.UTF-8" } });
  const made = readdirSync(folder).filter((name) => !before.has(name));
  expect(made).toHaveLength(1);
  const [name = ""] = made;
  const bytes = readFileSync(join(folder, name));
  rmSync(join(folder, name));
  return bytes;
}

async function copied(page: Page, name: string): Promise<string> {
  await detail(page).getByRole("button", { name }).click();
  await detail(page)
    .getByText(/is in the clipboard/)
    .waitFor();
  return (await page.evaluate("navigator.clipboard.readText()")) as string;
}

async function downloaded(page: Page, name: string): Promise<[string, Buffer]> {
  const started = page.waitForEvent("download");
  await detail(page).getByRole("button", { name, exact: true }).click();
  const download = await started;
  return [download.suggestedFilename(), await bytesOf(download)];
}

/** Runs both, each in an empty folder but for the files that the picture began with. */
async function expectSame(page: Page, key?: string) {
  await openPicture(page);
  const [, picture] = await downloaded(page, "Download");
  for (const kind of ["the picture it began with", "the mask"]) {
    if (
      (await detail(page)
        .getByRole("button", { name: `Download ${kind}` })
        .count()) === 0
    )
      continue;
    const [name, bytes] = await downloaded(page, `Download ${kind}`);
    writeFileSync(join(folder, name), bytes);
  }
  const command = await copied(page, "Copy as curl");
  for (const shell of ["bash", "sh"])
    expect(hash(await written(shell, ["-c", command], key)), command).toBe(hash(picture));
  const program = await copied(page, "Copy as Python");
  expect(hash(await written(await pythonEnvironment(), ["-c", program], key)), program).toBe(hash(picture));
  return { command, program };
}

describe("a picture's command of curl and its program make the same picture", () => {
  test("for a prompt of all that has a meaning to a shell", async () => {
    const opened = await openPage(serviceUrl("demo"));
    const { page } = opened;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByText("More", { exact: true }).click();
    await page.getByLabel("Scheduler").selectOption("euler_a");
    await page.getByLabel("Format").selectOption("jpeg");
    await makePicture(page, {
      prompt: HARD,
      negative: "it's",
      seed: "4294967290",
      steps: "2",
      guidance: "4.5",
      compression: "80",
    });
    const { command } = await expectSame(page);
    expect(command).toContain(`'${serviceUrl("demo")}/v1/images/generations'`);
    expect(command).toContain('"Authorization: Bearer $IMAGE_GEN_API_KEY"');
    await opened.close();
  });

  test("for one that began with another, with a mask, which is used again as well", async () => {
    const opened = await openPage(serviceUrl("demo"));
    const { page } = opened;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await chooseSource(page);
    await paintMask(page);
    await page.locator("#mask-canvas").focus();
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Use the mask" }).click();
    await page.getByLabel("Strength").fill("0.7");
    await makePicture(page, { prompt: HARD, seed: "21", steps: "4" });
    await page.getByRole("button", { name: "Remove" }).click();
    await page.reload();
    await page.locator("#state[data-phase=ready]").waitFor();
    await expectSame(page);
    const [, before] = await downloaded(page, "Download");
    await detail(page).getByRole("button", { name: "Use all settings" }).click();
    await page.getByRole("button", { name: "Change the mask" }).waitFor();
    await page.locator("#make").click();
    await thumbnails(page).nth(1).waitFor();
    await openPicture(page);
    const [, after] = await downloaded(page, "Download");
    expect(hash(after)).toBe(hash(before));
    await opened.close();
  });

  test("with the key of the shell, and with LoRAs", async () => {
    const opened = await openPage(serviceUrl("locked"));
    const { page } = opened;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("textbox", { name: "API key" }).fill(KEY);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await page.getByText("More", { exact: true }).click();
    await page.getByText("sketch").check();
    await makePicture(page, { prompt: "a house", seed: "9" });
    const { command, program } = await expectSame(page, KEY);
    expect(command + program).not.toContain(KEY);
    opened.problems.splice(0, opened.problems.length, ...opened.problems.filter((each) => !each.includes("401")));
    await opened.close();
  });
});

test("a browser that has no clipboard for the page copies a selection, or shows the text", async () => {
  const opened = await openPage(serviceUrl("demo"), {
    before: (page) => page.addInitScript("Object.defineProperty(navigator, 'clipboard', { value: undefined })"),
  });
  const { page } = opened;
  await makePicture(page, { prompt: "a house" });
  const dialog = await openPicture(page);
  await page.evaluate("document.addEventListener('copy', () => { window.copied = String(getSelection()) })");
  await dialog.getByRole("button", { name: "Copy as curl" }).click();
  await dialog.getByText("The command is in the clipboard.").waitFor();
  expect(await page.evaluate("window.copied")).toContain("curl -sSf");
  await page.evaluate("document.execCommand = () => false");
  await dialog.getByRole("button", { name: "Copy as Python" }).click();
  expect(await dialog.getByRole("textbox", { name: "The program" }).inputValue()).toContain(
    "from openai import OpenAI",
  );
  expect(await opened.violations()).toEqual([]);
  await opened.close();
});
