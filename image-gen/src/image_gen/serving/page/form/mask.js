/** The dialog to paint a mask in, by pointer or by keyboard. What is covered is transparent in the mask, as the API has it. */
import { make, part, write } from "../elements.js";
import { setMask, source } from "./source.js";

/** Enough to paint on; the mask is scaled to the picture at the end. */
const LONGEST = 1024;
const COLOUR = "rgb(234 88 12)";
let context = null;
let address = null;
let size = { width: 0, height: 0 };
let at = { x: 0, y: 0 };
let undo = [];
let keyPaints = false;
let pointer = null;

const canvas = () => part("mask-canvas");
const isErasing = () => part("mask-erase").getAttribute("aria-pressed") === "true";
const radius = () => (Number(part("brush").value) / 100) * Math.max(canvas().width, canvas().height);

/** Opens the dialog for the picture to start from. */
export async function openMask() {
  const { image, mask } = source();
  const bitmap = await createImageBitmap(image);
  size = { width: bitmap.width, height: bitmap.height };
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  Object.assign(canvas(), { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  context = canvas().getContext("2d", { willReadFrequently: true });
  at = { x: canvas().width / 2, y: canvas().height / 2 };
  if (mask) await draw(mask);
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(image);
  part("mask-picture").querySelector("img")?.remove();
  part("mask-picture").prepend(make("img", { src: address, alt: "" }));
  part("mask-picture").style.aspectRatio = `${size.width} / ${size.height}`;
  part("mask-picture").style.maxWidth = `calc((100dvh - 19rem) * ${size.width / size.height})`;
  undo = [];
  part("mask-erase").setAttribute("aria-pressed", "false");
  part("mask").showModal();
  part("brush").focus();
  say();
}

/** The painting of a mask: what is transparent in it. */
async function draw(mask) {
  context.fillStyle = COLOUR;
  context.fillRect(0, 0, canvas().width, canvas().height);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(await createImageBitmap(mask), 0, 0, canvas().width, canvas().height);
  context.globalCompositeOperation = "source-over";
}

function remember() {
  undo.push(context.getImageData(0, 0, canvas().width, canvas().height));
  if (undo.length > 20) undo.shift();
}

function line(from, to) {
  context.globalCompositeOperation = isErasing() ? "destination-out" : "source-over";
  Object.assign(context, { fillStyle: COLOUR, strokeStyle: COLOUR, lineWidth: 2 * radius(), lineCap: "round" });
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.lineTo(to.x, to.y);
  context.stroke();
  // A line without a length has no ends.
  context.beginPath();
  context.arc(to.x, to.y, radius(), 0, 2 * Math.PI);
  context.fill();
  context.globalCompositeOperation = "source-over";
}

/** The share of the picture that is covered, in percent. */
function covered() {
  const small = make("canvas", { width: 64, height: 64 }).getContext("2d");
  small.drawImage(canvas(), 0, 0, 64, 64);
  const { data } = small.getImageData(0, 0, 64, 64);
  let sum = 0;
  for (let index = 3; index < data.length; index += 4) sum += data[index];
  return (100 * sum) / (255 * 64 * 64);
}

function say() {
  const share = covered();
  const text = share === 0 ? "Nothing is covered." : `${share < 1 ? "Less than 1" : Math.round(share)} % is covered.`;
  write({ "mask-state": text });
  for (const id of ["mask-use", "mask-make"]) part(id).disabled = share === 0;
  part("mask-undo").disabled = undo.length === 0;
}

function showBrush() {
  const scale = canvas().clientWidth / canvas().width;
  const brush = part("mask-brush");
  brush.hidden = false;
  for (const [name, value] of Object.entries({ left: at.x, top: at.y, width: 2 * radius(), height: 2 * radius() }))
    brush.style[name] = `${value * scale}px`;
}

const place = (event) => {
  const box = canvas().getBoundingClientRect();
  const scale = canvas().width / box.width;
  return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
};

function onPointer(event) {
  const to = place(event);
  if (event.type === "pointerdown") {
    canvas().setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    remember();
    line(to, to);
  } else if (pointer === event.pointerId) line(at, to);
  at = to;
  showBrush();
}

function onPointerEnd(event) {
  if (pointer !== event.pointerId) return;
  pointer = null;
  say();
}

function onKey(event) {
  const step = (event.shiftKey ? 8 : 1) * Math.max(2, radius() / 2);
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  const move = moves[event.key];
  if (move) {
    const to = {
      x: Math.max(0, Math.min(canvas().width, at.x + move[0])),
      y: Math.max(0, Math.min(canvas().height, at.y + move[1])),
    };
    if (keyPaints) line(at, to);
    at = to;
  } else if (event.key === " ") {
    if (!event.repeat) {
      keyPaints = true;
      remember();
      line(at, at);
    }
  } else if (event.key === "+" || event.key === "-")
    part("brush").value = Number(part("brush").value) + (event.key === "+" ? 1 : -1);
  else return;
  event.preventDefault();
  showBrush();
}

async function use() {
  const made = make("canvas", size);
  const pixels = made.getContext("2d");
  pixels.fillRect(0, 0, size.width, size.height);
  pixels.globalCompositeOperation = "destination-out";
  pixels.drawImage(canvas(), 0, 0, size.width, size.height);
  setMask(await new Promise((resolve) => made.toBlob(resolve, "image/png")));
  part("mask").close();
}

async function useAndMake() {
  await use();
  part("form").requestSubmit();
}

export function beginMask() {
  part("mask-open").addEventListener("click", () => void openMask());
  for (const type of ["pointerdown", "pointermove"]) canvas().addEventListener(type, onPointer);
  for (const type of ["pointerup", "pointercancel"]) canvas().addEventListener(type, onPointerEnd);
  canvas().addEventListener("keydown", onKey);
  canvas().addEventListener("keyup", (event) => {
    if (event.key !== " ") return;
    keyPaints = false;
    say();
  });
  canvas().addEventListener("focus", showBrush);
  canvas().addEventListener("blur", () => {
    part("mask-brush").hidden = true;
    keyPaints = false;
  });
  canvas().addEventListener("pointerleave", () => {
    part("mask-brush").hidden = document.activeElement !== canvas();
  });
  part("mask-erase").addEventListener("click", () => {
    part("mask-erase").setAttribute("aria-pressed", String(!isErasing()));
  });
  part("mask-undo").addEventListener("click", () => {
    context.putImageData(undo.pop(), 0, 0);
    say();
  });
  part("mask-clear").addEventListener("click", () => {
    remember();
    context.clearRect(0, 0, canvas().width, canvas().height);
    setMask(null);
    say();
  });
  part("mask-use").addEventListener("click", () => void use());
  part("mask-make").addEventListener("click", () => void useAndMake());
  part("mask").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    part("mask-make").click();
  });
  part("mask-cancel").addEventListener("click", () => part("mask").close());
}
