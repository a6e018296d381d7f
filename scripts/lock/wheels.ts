import { CUDA_PACKAGES, type PlatformSizes } from "../../infra/plan/package-sizes.ts";

/** The Python that the sizes are of; wheels of the others weigh the same to a hundredth. */
const PYTHON = { tag: "cp312", minor: 12 };

/** By Node's names: what a wheel's platform tag, and a package's marker, say of it. */
const PLATFORMS = {
  "linux-x64": { tag: /manylinux\w*_x86_64/, system: "linux" },
  "linux-arm64": { tag: /manylinux\w*_aarch64/, system: "linux" },
  "darwin-arm64": { tag: /macosx_\w*_(?:arm64|universal2)/, system: "darwin" },
  "win32-x64": { tag: /win_amd64/, system: "win32" },
} as const;

interface Package {
  readonly name: string;
  readonly marker: string;
  readonly wheels: readonly { readonly file: string; readonly bytes: number }[];
}

/** What the packages of a `pylock.toml` weigh on each platform, as wheels. */
export function sizesOf(pylock: string): Record<string, PlatformSizes> {
  const packages = readPackages(pylock);
  const sizes = Object.entries(PLATFORMS).map(([platform, { tag, system }]): [string, PlatformSizes] => {
    const wanted = packages.filter(({ marker }) => holds(marker, system));
    const weigh = (some: readonly Package[]) => some.reduce((sum, each) => sum + wheelBytes(each, tag, platform), 0);
    return [platform, { all: weigh(wanted), cuda: weigh(wanted.filter(({ name }) => CUDA_PACKAGES.test(name))) }];
  });
  return Object.fromEntries(sizes);
}

function readPackages(pylock: string): Package[] {
  return pylock
    .split("[[packages]]")
    .slice(1)
    .map((text) => ({
      name: /^name = "([^"]+)"/m.exec(text)?.[1] ?? "",
      marker: /^marker = "(.*)"$/m.exec(text)?.[1] ?? "",
      wheels: [...text.matchAll(/url = "[^"]*\/([^"/]+\.whl)".*?\bsize = (\d+)/g)].map(([, file = "", bytes]) => ({
        file,
        bytes: Number(bytes),
      })),
    }));
}

/** Whether a package's marker holds: atoms with `and`, `or` and parentheses. */
function holds(marker: string, system: string): boolean {
  if (marker === "") return true;
  let rest = marker.replace(/\w+ (?:==|!=|<|>=) '[^']*'/g, (atom) => String(holdsOne(atom, system)));
  // The innermost parentheses first.
  for (let before = ""; rest !== before; ) {
    before = rest;
    rest = rest.replace(/\(([^()]*)\)/, (_, inner: string) => String(anyOf(inner)));
  }
  return anyOf(rest);
}

function anyOf(text: string): boolean {
  return text.split(" or ").some((all) => all.split(" and ").every((each) => each.trim() === "true"));
}

function holdsOne(marker: string, system: string): boolean {
  const [, name, operator, value = ""] = /^(\w+) (==|!=|<|>=) '([^']*)'$/.exec(marker) ?? [];
  if (name === "sys_platform") return (operator === "==") === (value === system);
  // Each platform here is one of a desktop or a server.
  if (name === "platform_machine") return operator === "==";
  if (name !== "python_full_version") throw new Error(`requirements.lock has a marker that is not known: ${marker}`);
  const minor = Number(value.split(".")[1]);
  return operator === "<" ? PYTHON.minor < minor : PYTHON.minor >= minor;
}

function wheelBytes({ name, wheels }: Package, tag: RegExp, platform: string): number {
  const fitting = wheels.filter(({ file }) => fitsPython(file) && (/-any\.whl$/.test(file) || tag.test(file)));
  // Of several, such as one for a newer macOS, the smallest: which one is taken depends on the machine.
  const sizes = fitting.map(({ bytes }) => bytes);
  if (sizes.length === 0) throw new Error(`${name} has no wheel for ${platform} and ${PYTHON.tag}`);
  return Math.min(...sizes);
}

function fitsPython(file: string): boolean {
  const [python = "", abi = ""] = file.split("-").slice(-3);
  if (abi !== "abi3") return python.split(".").some((each) => each === PYTHON.tag || each === "py3");
  return python.split(".").some((each) => Number(/^cp3(\d+)$/.exec(each)?.[1]) <= PYTHON.minor);
}
