/** The package in a project of somebody else's: installed from its tarball, imported, deployed, and used from YAML. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onPath } from "../../cli/core/on-path.ts";
import { baseImage } from "../support/base-image.ts";
import { docker, dockerIfPossible, removeImages } from "../support/docker.ts";
import { freePort } from "../support/engine.ts";
import { failed, succeeded } from "../support/engine-stack.ts";
import { LibraryProject } from "../support/library-project.ts";
import { missingFor } from "../support/needs.ts";
import { paths } from "../support/paths.ts";
import { CONTAINER, CONTAINER_REPLACED, IMAGE, IMAGE_REPLACED, VOLUME } from "./setting.ts";

const PREFIX = "imagegen-engine-library";
const CREATED = [`create ${CONTAINER}`, `create ${IMAGE}`, `create ${VOLUME}`];
const missing = await missingFor("engine");
if (missing) console.warn(`LEFT OUT: the package in another project: ${missing}`);
const missingYaml = onPath("pulumi-language-yaml") ? undefined : "`pulumi-language-yaml` is not on PATH.";
if (missingYaml) console.warn(`LEFT OUT: the package in a YAML program: ${missingYaml}`);

describe.skipIf(missing !== undefined)("the package in another project", () => {
  let project: LibraryProject;
  let base = "";

  beforeAll(async () => {
    base = (await baseImage()).reference ?? "";
    project = await LibraryProject.install();
  });

  afterAll(async () => {
    for (const name of ["js", "yaml"]) {
      await dockerIfPossible("rm", "-f", `${PREFIX}-${name}`);
      await dockerIfPossible("volume", "rm", `${PREFIX}-${name}-data`);
    }
    await removeImages(PREFIX);
    project?.remove();
  });

  /** Arguments that are nobody else's, and a service that is ready at once. */
  const argumentsOf = async (name: string) => ({
    modelId: "stub/ready",
    buildContext: join(paths.root, "test/support/stub-service"),
    buildNetwork: "host",
    baseImage: base,
    containerName: `${PREFIX}-${name}`,
    volumeName: `${PREFIX}-${name}-data`,
    imageName: PREFIX,
    port: await freePort(),
    gpu: "none",
  });
  const program = (args: object) =>
    [
      'import { LocalImageGen } from "picture-perfect-challenge";',
      `const images = new LocalImageGen("images", ${JSON.stringify(args)});`,
      "export const { url, imageId, containerName } = images;",
    ].join("\n");

  test("three lines are previewed and deployed, and then have nothing to change; arguments replace what they should", async () => {
    const args = await argumentsOf("js");
    project.program("js", program(args));
    const stack = await project.stack("dev");
    const preview = succeeded(await stack.preview());
    expect([...preview.changes].sort()).toEqual(CREATED);
    const first = succeeded(await stack.up());
    expect([...first.changes].sort()).toEqual(CREATED);
    expect(first.outputs).toMatchObject({ url: `http://127.0.0.1:${args.port}`, containerName: args.containerName });
    expect((await fetch(`${String(first.outputs.url)}/readyz`)).status).toBe(200);
    succeeded(await stack.up({ expectNoChanges: true }));

    project.program("js", program({ ...args, maxSize: 7, prot: 1 }));
    const wrong = failed(await stack.preview());
    expect(wrong).toContain("images: prot: expected port, got an unknown key. Fix: remove prot");
    expect(wrong).toContain('images: maxSize: expected a whole number from 64 to 8192, got "7". Fix: maxSize: 1536');

    const dockerfile = "Own.Dockerfile";
    project.write(
      dockerfile,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a Dockerfile's own form of an argument.
      'ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG MODEL_ID=""\nRUN mkdir -p /data/huggingface /opt/models && ' +
        'chown -R 10001:10001 /data && echo own > /opt/own && echo "" > /opt/models/id\nCOPY src /srv/src\n' +
        'USER 10001:10001\nCMD ["python3", "-u", "/srv/src/serve.py"]\n',
    );
    project.program("js", program({ ...args, dockerfile }));
    const own = succeeded(await stack.up());
    expect([...own.changes].sort()).toEqual([...CONTAINER_REPLACED, ...IMAGE_REPLACED].sort());
    expect(await docker("exec", args.containerName, "cat", "/opt/own")).toBe("own");
    succeeded(await stack.destroy());
  });

  test.skipIf(missingYaml !== undefined)("a YAML program deploys the same component", async () => {
    const args = await argumentsOf("yaml");
    const resources = { images: { type: "imagegen:LocalImageGen", properties: args } };
    // biome-ignore lint/suspicious/noTemplateCurlyInString: YAML's own form of a reference.
    const outputs = { url: "${images.url}" };
    // JSON is YAML.
    project.write("Pulumi.yaml", JSON.stringify({ name: "yaml", runtime: "yaml", resources, outputs }));
    await project.run("pulumi", "package", "add", "./node_modules/picture-perfect-challenge/plugin");
    const stack = await project.stack("yaml");
    expect([...succeeded(await stack.preview()).changes].sort()).toEqual(CREATED);
    const first = succeeded(await stack.up());
    expect([...first.changes].sort()).toEqual(CREATED);
    expect(first.outputs).toEqual({ url: `http://127.0.0.1:${args.port}` });
    expect((await fetch(`${String(first.outputs.url)}/readyz`)).status).toBe(200);
    succeeded(await stack.up({ expectNoChanges: true }));
    const wrong = { images: { ...resources.images, properties: { ...args, maxSize: 7 } } };
    project.write("Pulumi.yaml", JSON.stringify({ ...packaged(), resources: wrong }));
    expect(failed(await stack.preview())).toContain("images: maxSize: expected a whole number from 64 to 8192");
    project.write("Pulumi.yaml", JSON.stringify({ ...packaged(), resources }));
    succeeded(await stack.destroy());

    function packaged() {
      return {
        name: "yaml",
        runtime: "yaml",
        packages: { imagegen: "./node_modules/picture-perfect-challenge/plugin" },
      };
    }
  });

  test.each([
    ["python", "class LocalImageGen("],
    ["go", "func NewAwsImageGen("],
  ])("an SDK for %s is made from the plugin", async (language, made) => {
    if (!onPath(`pulumi-language-${language}`)) {
      console.warn(`LEFT OUT: an SDK for ${language}: \`pulumi-language-${language}\` is not on PATH.`);
      return;
    }
    const out = `sdk-${language}`;
    const plugin = "./node_modules/picture-perfect-challenge/plugin";
    await project.run("pulumi", "package", "gen-sdk", plugin, "--language", language, "--out", out);
    expect(await project.run("grep", "-rlF", made, out)).toContain(out);
  });

  test.each(["5.9", "7.0"])("its declarations compile under strict with TypeScript %s", async (version) => {
    const folder = `typescript-${version}`;
    await project.run("npm", "install", "--prefix", folder, `typescript@~${version}`, "--no-audit", "--no-fund");
    const text = [
      'import { AwsImageGen, LocalImageGen, type LocalImageGenArgs } from "picture-perfect-challenge";',
      'const args: LocalImageGenArgs = { modelCache: "baked", port: 8001, environment: { A: "b" } };',
      'export const url: import("@pulumi/pulumi").Output<string> = new LocalImageGen("a", args).url;',
      'new AwsImageGen("b", { instanceTypes: ["g6.xlarge"], purchaseOption: "spot", tags: { team: "a" } });',
    ];
    project.write("use.ts", text.join("\n"));
    const options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2024", "--types", "node"];
    const tsc = [`${folder}/node_modules/typescript/bin/tsc`, ...options];
    project.write(
      "wrong.ts",
      `${text[0]}\nnew LocalImageGen("a", { modelCache: "basked" });\nnew AwsImageGen("b", { prot: 1 });\n`,
    );
    // In one run, most of which is for the types of Pulumi's AWS package.
    const output = await project.fails(process.execPath, ...tsc, "use.ts", "wrong.ts");
    const errors = output.split("\n").filter((line) => /error TS/.test(line));
    expect(errors).toEqual([
      expect.stringMatching(/^wrong\.ts\(2,.+basked/),
      expect.stringMatching(/^wrong\.ts\(3,.+prot/),
    ]);
  });
});
