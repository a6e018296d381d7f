/** The storage of the history: an archive of all, a quota that is used up, other versions of the database, and many pictures. */
import { execa } from "execa";
import type { Page } from "playwright-core";
import { afterAll, describe, expect, test } from "vitest";
import {
  announce,
  bytesOf,
  hash,
  makePicture,
  openPicture,
  storedText,
  thumbnails,
} from "../../support/page/history.ts";
import { closeBrowser, inModule, openPage } from "../../support/page/open-page.ts";
import { serviceUrl } from "../../support/page/services.ts";
import { chooseSource, photo } from "../../support/page/source.ts";
import { pythonEnvironment } from "../../support/python.ts";

const url = serviceUrl("demo");
afterAll(closeBrowser);

/** Another program's view of an archive: each name with its size and sha256, after all checksums were compared. */
const READ = `
import hashlib, json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
print(json.dumps({info.filename: [info.file_size, hashlib.sha256(archive.read(info)).hexdigest(), info.date_time[0]] for info in archive.infolist()}))
print(archive.read("settings.json").decode() if "settings.json" in archive.namelist() else "{}")
`;
type Entries = Record<string, [number, string, number]>;

async function read(
  path: string,
): Promise<[Entries, { pictures: { files: Record<string, string>; settings: object }[] }]> {
  const { stdout } = await execa(await pythonEnvironment(), ["-c", READ, path]);
  const [entries = "", ...settings] = stdout.split("\n");
  return [JSON.parse(entries), JSON.parse(settings.join("\n"))];
}

describe("all pictures as one archive", () => {
  test("has each picture, what it began with, and the settings", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await chooseSource(page);
    await makePicture(page, { prompt: "Häuser am Fluß", seed: "21", steps: "2" });
    await page.getByRole("button", { name: "Remove" }).click();
    await announce(page, 2);
    await announce(page, 1);
    await expect.poll(() => thumbnails(page).count()).toBe(4);
    const started = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download all" }).click();
    const download = await started;
    expect(download.suggestedFilename()).toMatch(/^image-gen-\d{4}-\d\d-\d\d\.zip$/);
    const [entries, settings] = await read(await download.path());
    expect(Object.keys(entries).toSorted()).toEqual([
      "Announced-picture-0-0-2.png",
      "Announced-picture-0-0.png",
      "Announced-picture-1-1.png",
      "Häuser-am-Fluß-21-start.png",
      "Häuser-am-Fluß-21.png",
      "settings.json",
    ]);
    expect(entries["Häuser-am-Fluß-21-start.png"]?.[1]).toBe(hash(photo.buffer));
    expect(entries["Announced-picture-1-1.png"]?.[2]).toBe(new Date().getFullYear());
    const edited = settings.pictures.find(({ files }) => files.image);
    expect(edited).toMatchObject({
      files: { picture: "Häuser-am-Fluß-21.png", image: "Häuser-am-Fluß-21-start.png" },
      settings: { prompt: "Häuser am Fluß", seed: 21, strength: 0.8 },
    });
    await page.getByText("4 pictures packed with their settings.").waitFor();
    await opened.close();
  });

  test("is readable where 64 bits are needed, too", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    const started = page.waitForEvent("download");
    await inModule(
      page,
      "history/zip.js",
      `const files = [1, 2, 3].map((number) => ({ name: number + ".bin", blob: new Blob([new Uint8Array(100000).fill(number)]), time: Date.now() }));
       const blob = await it.zip(files, { most: 150000 });
       Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "x.zip" }).click();`,
    );
    const [entries] = await read(await (await started).path());
    const expected = [1, 2, 3].map((number) => [`${number}.bin`, hash(new Uint8Array(100000).fill(number))]);
    expect(Object.entries(entries).map(([name, [, sum]]) => [name, sum])).toEqual(expected);
    await opened.close();
  });

  test("of 500 pictures of a megabyte does not take their memory", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    for (let round = 0; round < 10; round += 1) await announce(page, 50, { bytes: 1_000_000, days: round });
    await page.getByText("500 pictures,").waitFor({ timeout: 90_000 });
    await page.reload();
    await page.getByText("500 pictures,").waitFor();
    expect(await thumbnails(page).count()).toBe(60);
    await page.getByRole("button", { name: "Show 60 more" }).click();
    expect(await thumbnails(page).count()).toBe(120);
    const session = await page.context().newCDPSession(page);
    const used = async () => {
      await session.send("HeapProfiler.collectGarbage");
      const { usedSize, backingStorageSize = 0 } = await session.send("Runtime.getHeapUsage");
      return usedSize + backingStorageSize;
    };
    let most = 0;
    let isPacking = true;
    const started = page.waitForEvent("download", { timeout: 100_000 }).finally(() => {
      isPacking = false;
    });
    await page.getByRole("button", { name: "Download all" }).click();
    while (isPacking) most = Math.max(most, await used());
    const path = await (await started).path();
    console.log(`most of the page's own memory: ${Math.round(most / 1e6)} MB`);
    expect(most).toBeLessThan(100e6);
    const [entries] = await read(path);
    expect(Object.keys(entries)).toHaveLength(501);
    await opened.close();
  });
});

describe("a quota that is used up", () => {
  const limit = async (page: Page, bytes: number) => {
    const session = await page.context().newCDPSession(page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: url, quotaSize: bytes });
  };

  test("deletes the oldest pictures for a new one, and says so", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await limit(page, 4_000_000);
    for (let index = 0; index < 6; index += 1) {
      await announce(page, 1, { bytes: 1_000_000 });
      await page.waitForTimeout(500);
    }
    await page.getByText(/The browser's storage was full: .* deleted for a new one/).waitFor();
    const { count } = await storedText(page);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(6);
    await expect.poll(() => thumbnails(page).count()).toBe(count);
    expect(await opened.violations()).toEqual([]);
    await opened.close();
  });

  test("of less than one picture keeps it in the tab, and says so", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await limit(page, 1_000);
    await announce(page, 1, { bytes: 500_000 });
    await page.getByText(/no room for another picture/).waitFor();
    const dialog = await openPicture(page);
    const started = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Download", exact: true }).click();
    expect((await bytesOf(await started)).length).toBeGreaterThan(500_000);
    await opened.close();
  });
});

describe("another version of the database", () => {
  const next = `const database = await it.openDatabase([...it.UPGRADES, (database) => database.createObjectStore("further")]);
    const names = [...database.objectStoreNames];
    const [facts] = await it.resultOf(database.transaction("pictures").objectStore("pictures").getAll());
    database.close();
    return [names, facts.settings.prompt];`;

  test("is made from this one with its pictures, and this page says that it is older", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await announce(page, 1);
    expect(await inModule(page, "history/database.js", next)).toEqual([
      ["files", "further", "pictures"],
      "Announced picture 0",
    ]);
    await page.getByText(/A newer version of this page was opened in another tab/).waitFor();
    await announce(page, 1);
    await expect.poll(() => thumbnails(page).count()).toBe(2);
    await page.reload();
    await page.getByText(/A newer version of this page was opened/).waitFor();
    await makePicture(page, { prompt: "of this tab" });
    await openPicture(page);
    await opened.close();
  });
});
