/** Dialogs of the history: made when they are opened, and gone when they are closed. */
import { make } from "../elements.js";

/** Opens one, and gives the function that closes it. `onClose` is called however it is closed. */
export function openDialog(id, title, { content, onClose = () => {}, onkeydown = null, isQuestion = false }) {
  const close = () => dialog.close();
  const dialog = make(
    "dialog",
    { id, "aria-labelledby": `${id}-title`, class: "history-dialog", onkeydown },
    make(
      "div",
      { class: "dialog-head" },
      make("h2", { id: `${id}-title` }, title),
      // A question has its own answers.
      isQuestion ? null : make("button", { type: "button", class: "plain small", onclick: close }, "Close"),
    ),
    content,
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
  });
  // A click beside it.
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return close;
}

/** Asks; true if the person says `yes`. */
export const ask = (title, text, yes) =>
  new Promise((resolve) => {
    let answer = false;
    const agree = () => {
      answer = true;
      close();
    };
    const close = openDialog("question", title, {
      content: [
        make("p", {}, text),
        make(
          "div",
          { class: "actions" },
          make("button", { type: "button", class: "primary", onclick: agree }, yes),
          make("button", { type: "button", class: "plain", onclick: () => close() }, "Cancel"),
        ),
      ],
      onClose: () => resolve(answer),
      isQuestion: true,
    });
  });
