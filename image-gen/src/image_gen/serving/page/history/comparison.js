/** Two pictures side by side, with the settings in which they differ. */
import { make } from "../elements.js";
import { openDialog } from "./dialog.js";
import { fileOf } from "./history.js";
import { settingName, settingsOfBoth, useAll } from "./use.js";
import { altOf, momentOf } from "./words.js";

export async function compare(one, other) {
  const blobs = await Promise.all([one, other].map(({ id }) => fileOf(id, "picture")));
  const urls = blobs.map((blob) => (blob ? URL.createObjectURL(blob) : ""));
  const rows = settingsOfBoth(one, other);
  const differing = rows.filter(([, text, otherText]) => text !== otherText);
  const same = rows.filter(([, text, otherText]) => text === otherText);
  const names = differing.map(([field]) => settingName(field).toLowerCase()).join(", ");
  const close = openDialog("comparison", "Compare", {
    content: [
      make(
        "div",
        { class: "side-by-side" },
        [one, other].map((facts, index) => sideOf(facts, ["Left", "Right"][index], urls[index], () => close())),
      ),
      make("p", { class: "state" }, names ? `Different: ${names}` : "All settings are the same."),
      differing.length > 0 ? tableOf("Settings that differ", differing) : null,
      same.length > 0
        ? make("details", {}, make("summary", {}, `The same in both: ${same.length}`), listOf(same))
        : null,
    ],
    onClose: () => {
      for (const url of urls) URL.revokeObjectURL(url);
    },
  });
}

function sideOf(facts, name, url, close) {
  const use = async () => {
    await useAll(facts);
    close();
  };
  return make(
    "figure",
    { "aria-label": name },
    make("div", { class: "frame" }, make("img", { src: url, alt: altOf(facts) })),
    make("figcaption", { class: "quiet" }, `${name}, ${momentOf(facts.madeAt)}`),
    make(
      "button",
      {
        type: "button",
        class: "plain small",
        onclick: use,
        "aria-label": `Use all settings of the ${name.toLowerCase()} one`,
      },
      "Use all settings",
    ),
  );
}

function tableOf(caption, rows) {
  const cell = (text) => make("td", { class: text === null ? "quiet" : null }, text ?? "not set");
  return make(
    "table",
    {},
    make("caption", {}, caption),
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        ["Setting", "Left", "Right"].map((name) => make("th", { scope: "col" }, name)),
      ),
    ),
    make(
      "tbody",
      {},
      rows.map(([field, text, otherText]) =>
        make("tr", {}, make("th", { scope: "row" }, settingName(field)), cell(text), cell(otherText)),
      ),
    ),
  );
}

const listOf = (rows) =>
  make(
    "dl",
    {},
    rows.flatMap(([field, text]) => [make("dt", {}, settingName(field)), make("dd", {}, text)]),
  );
