/** Asks a person before something is lost. */
import { make } from "../elements.js";

/** True for who agrees. The focus begins on the way back, and returns to where it was. */
export function confirmed({ title, text, yes }) {
  return new Promise((resolve) => {
    const dialog = make(
      "dialog",
      { id: "confirm", "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text" },
      make("h2", { id: "confirm-title" }, title),
      make("p", { id: "confirm-text" }, text),
      make(
        "form",
        { method: "dialog", class: "actions" },
        make("button", { class: "plain", value: "", autofocus: true }, "Keep it"),
        make("button", { class: "primary", value: "yes" }, yes),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
