/** The fields: what is sent for each, what a model can't do, the keyboard, and a picture to start from with its mask. */
import type { Page } from "playwright-core";
import { afterAll, describe, expect, test } from "vitest";
import { closeBrowser, openPage } from "../support/page/open-page.ts";
import { serviceUrl } from "../support/page/services.ts";
import { chooseSource, paintMask } from "../support/page/source.ts";

const url = serviceUrl("demo");
afterAll(closeBrowser);

describe("fields", () => {
  test("have sizes that the model can make", async () => {
    const larger = async (page: Page) =>
      page.route("**/v1/models", async (route) => {
        const answer = await route.fetch();
        const { data, ...rest } = (await answer.json()) as { data: object[] };
        const other = data.map((model) => ({ ...model, default_size: "880x880", size_multiple: 16 }));
        await route.fulfill({ response: answer, json: { ...rest, data: other } });
      });
    const opened = await openPage(url, { before: larger });
    const { page } = opened;
    // 715 by 1045, of which 712 by 1048 would be multiples of 8.
    await page.getByRole("radio", { name: /^Portrait.*720.*1040/ }).waitFor();
    await page.getByRole("radio", { name: /^Other/ }).check();
    for (const [value, isValid] of [
      ["1032", false],
      ["1040", true],
    ] as const) {
      await page.locator("#width").fill(value);
      expect(await page.locator("#width").evaluate((input) => input.matches(":valid"))).toBe(isValid);
    }
    await opened.close();
  });

  test("are sent as the API names them", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.locator("#prompt").fill("a house");
    await page.getByLabel("Negative prompt").fill("text");
    await page.getByRole("radio", { name: /^Wide/ }).check();
    await page.getByLabel("Pictures", { exact: true }).fill("2");
    await page.getByLabel("Steps").fill("3");
    await page.getByLabel("Guidance").fill("4.5");
    await page.getByLabel("Seed", { exact: true }).fill("11");
    await page.getByText("More", { exact: true }).click();
    await page.getByLabel("Scheduler").selectOption("euler_a");
    await page.getByLabel("Format").selectOption("webp");
    await page.getByLabel("Quality").fill("80");
    const sent = page.waitForRequest(/generations/);
    await page.getByRole("button", { name: "Make 2 pictures" }).click();
    expect((await sent).postDataJSON()).toEqual({
      prompt: "a house",
      negative_prompt: "text",
      size: "168x96",
      n: 2,
      steps: 3,
      guidance_scale: 4.5,
      seed: 11,
      scheduler: "euler_a",
      output_format: "webp",
      output_compression: 80,
      stream: true,
      progress: true,
      partial_images: 3,
    });
    await page.getByText(/^Done in/).waitFor();
    // Use of the settings of a picture sets all of them again.
    await page.getByLabel("Steps").fill("9");
    await page.getByLabel("Format").selectOption("png");
    await page.getByRole("radio", { name: /^Square/ }).check();
    await page.getByRole("button", { name: "Use settings" }).click();
    expect(await page.getByLabel("Steps").inputValue()).toBe("3");
    expect(await page.getByLabel("Format").inputValue()).toBe("webp");
    expect(await page.getByLabel("Seed", { exact: true }).inputValue()).toBe("12");
    expect(await page.getByRole("radio", { name: /^Wide/ }).isChecked()).toBe(true);
    await opened.close();
  });

  test("that nobody has filled are not sent, and the seed is a new one unless it is locked", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.getByLabel("Steps").fill("1");
    const bodies: Record<string, unknown>[] = [];
    page.on("request", (request) => {
      if (request.url().endsWith("generations")) bodies.push(request.postDataJSON());
    });
    await page.locator("#make").click();
    await page.getByText(/^Done in/).waitFor();
    const first = await page.getByLabel("Seed", { exact: true }).inputValue();
    expect(first).toMatch(/^\d+$/);
    await page.locator("#make").click();
    await expect.poll(() => page.getByLabel("Seed", { exact: true }).inputValue()).not.toBe(first);
    const second = await page.getByLabel("Seed", { exact: true }).inputValue();
    await page.getByRole("button", { name: "Lock" }).click();
    await page.locator("#make").click();
    await expect.poll(() => bodies.length).toBe(3);
    expect(Object.keys(bodies[0] ?? {})).toEqual(["prompt", "steps", "stream", "progress", "partial_images"]);
    expect(bodies.map((body) => body.seed)).toEqual([undefined, undefined, Number(second)]);
    await page.getByText(/^Done in/).waitFor();
    await opened.close();
  });

  test("that the model does not take are not there", async () => {
    const opened = await openPage(serviceUrl("plain"));
    const { page } = opened;
    const sent = page.waitForRequest(/generations/);
    await page.getByRole("spinbutton", { name: "Guidance" }).waitFor({ state: "hidden" });
    await page.getByText("More", { exact: true }).click();
    for (const name of ["Negative prompt", "Guidance", "Pictures", "Scheduler", "Start from a picture", "LoRAs"])
      expect(await page.locator("#form").getByText(name).and(page.locator(":visible")).count(), name).toBe(0);
    for (const name of ["Steps", "Seed", "Format"])
      expect(await page.locator("#form").getByText(name, { exact: true }).isVisible(), name).toBe(true);
    await page.locator("#make").click();
    expect(Object.keys((await sent).postDataJSON())).toEqual([
      "prompt",
      "steps",
      "stream",
      "progress",
      "partial_images",
    ]);
    await page.getByText(/^Done in/).waitFor();
    await opened.close();
  });

  test("are reached by keyboard alone, in the order in which they are seen", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    const ids: unknown[] = [];
    await page.locator("#prompt").focus();
    for (let index = 0; index < 10; index += 1) {
      ids.push(
        await page.evaluate(
          "document.activeElement.id || document.activeElement.value || document.activeElement.tagName",
        ),
      );
      await page.keyboard.press("Tab");
    }
    expect(ids).toEqual([
      "prompt",
      "negative",
      "auto",
      "n",
      "steps",
      "guidance",
      "seed",
      "seed-lock",
      "source-choose",
      "SUMMARY",
    ]);
    expect(await page.evaluate("document.activeElement.id")).toBe("make");
    await page.locator("input[name=shape]:checked").focus();
    await page.keyboard.press("ArrowRight");
    expect(await page.locator("input[name=shape]:checked").inputValue()).toBe("104x152");
    await opened.close();
  });
});

describe("a picture to start from", () => {
  test("is sent with its strength, and the answer has its shape", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.getByLabel("Steps").fill("4");
    await chooseSource(page);
    await page.getByLabel("Strength").fill("0.5");
    const sent = page.waitForRequest(/edits/);
    await page.locator("#make").click();
    expect((await sent).headers()["content-type"]).toMatch(/^multipart\/form-data/);
    await page.getByText(/^Done in/).waitFor();
    await page.getByRole("definition").getByText("0.5", { exact: true }).waitFor();
    expect(
      await page.evaluate(
        "document.getElementById('picture').naturalWidth / document.getElementById('picture').naturalHeight",
      ),
    ).toBeCloseTo(2, 0);
    await page.getByRole("button", { name: "Remove" }).click();
    await page.getByRole("button", { name: "Start from it" }).click();
    await page.getByAltText("The picture to start from").waitFor();
    await opened.close();
  });

  test.each(["paste", "drop"])("is taken by %s", async (way) => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.locator("#source-choose").waitFor();
    await page.evaluate(`(async () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 96, height: 64 });
      canvas.getContext("2d").fillRect(0, 0, 50, 50);
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
      const data = new DataTransfer();
      data.items.add(new File([blob], "x.png", { type: "image/png" }));
      const facts = { bubbles: true, cancelable: true };
      document.body.dispatchEvent(
        ${JSON.stringify(way)} === "paste"
          ? new ClipboardEvent("paste", { ...facts, clipboardData: data })
          : new DragEvent("drop", { ...facts, dataTransfer: data }),
      );
    })()`);
    await page.getByAltText("The picture to start from").waitFor();
    await opened.close();
  });

  test("leaves a shape of one's own chosen, also where its size is the model's own", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    const other = page.getByRole("radio", { name: /^Other/ });
    await other.check();
    const sides = () => Promise.all(["#width", "#height"].map((id) => page.locator(id).inputValue()));
    const before = await sides();
    await chooseSource(page);
    await page.getByAltText("The picture to start from").waitFor();
    expect([await other.isChecked(), await sides()]).toEqual([true, before]);
    await page.getByRole("button", { name: "Remove" }).click();
    expect([await other.isChecked(), await sides()]).toEqual([true, before]);
    await opened.close();
  });

  test("that is no picture is said to be none", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await chooseSource(page, { name: "x.png", mimeType: "image/png", buffer: Buffer.from("no") });
    await page.locator("#error").getByText("This file is not a picture that the browser can read.").waitFor();
    await opened.close();
  });
});

describe("a mask", () => {
  test("is drawn by keyboard, and only what it covers is made again", async () => {
    const opened = await openPage(url);
    const { page } = opened;
    await page.getByLabel("Steps").fill("4");
    await chooseSource(page);
    await paintMask(page);
    await page.getByText("Nothing is covered.").waitFor();
    expect(await page.getByRole("button", { name: "Use the mask" }).isDisabled()).toBe(true);
    expect(await opened.violations()).toEqual([]);
    const canvas = page.getByRole("img", { name: "Mask" });
    await canvas.focus();
    await page.keyboard.press("+");
    await page.keyboard.press("Space");
    const share = async () => (await page.locator("#mask-state").textContent()) ?? "";
    const dot = await share();
    expect(dot).toMatch(/^\d+ % is covered\.$/);
    await page.keyboard.down("Space");
    for (let index = 0; index < 8; index += 1) await page.keyboard.press("ArrowRight");
    await page.keyboard.up("Space");
    expect(Number.parseInt(await share(), 10)).toBeGreaterThan(Number.parseInt(dot, 10));
    await page.getByRole("button", { name: "Undo" }).click();
    expect(await share()).toBe(dot);
    await page.getByRole("button", { name: "Use the mask" }).click();
    await page.getByText("mask", { exact: true }).waitFor();
    await page.locator("#make").click();
    await page.getByText(/^Done in/).waitFor();
    // The service keeps every pixel of the scaled picture that the mask covers.
    const corner = `(() => {
      const image = document.getElementById("picture");
      const canvas = Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      return [...context.getImageData(2, 2, 1, 1).data];
    })()`;
    expect(await page.evaluate(corner)).toEqual([200, 60, 30, 255]);
    await opened.close();
  });

  test("is drawn by pointer, erased and cleared", async () => {
    const opened = await openPage(url, { layout: "phone" });
    const { page } = opened;
    await chooseSource(page);
    await paintMask(page);
    const box = await page.locator("#mask-canvas").boundingBox();
    if (!box) throw new Error("no canvas");
    const stroke = async () => {
      await page.mouse.move(box.x + box.width * 0.2, box.y + box.height * 0.5);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.8, box.y + box.height * 0.5, { steps: 4 });
      await page.mouse.up();
    };
    await stroke();
    await page.getByText(/^[1-9]\d* % is covered\.$/).waitFor();
    await page.getByRole("button", { name: "Erase" }).click();
    await page.getByLabel("Brush").fill("20");
    await stroke();
    await page.getByText("Nothing is covered.").waitFor();
    await page.getByRole("button", { name: "Erase" }).click();
    await stroke();
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByText("Nothing is covered.").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await opened.close();
  });
});
