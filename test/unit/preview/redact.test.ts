import { expect, test } from "vitest";
import { SECRET_PLACEHOLDER } from "../../../infra/contract.ts";
import { type Resource, SECRET, SIGNATURE } from "../../../scripts/preview/deployment.ts";
import { leaks } from "../../../scripts/preview/leaks.ts";
import { redact } from "../../../scripts/preview/redact.ts";
import { previewFile } from "../../../scripts/preview/stack-file.ts";

const secret = (content: unknown) => ({ [SIGNATURE]: SECRET, plaintext: JSON.stringify(content) });
const hidden = secret(SECRET_PLACEHOLDER);

function redacted(resource: Omit<Resource, "urn">) {
  const { copy, removed } = redact({ version: 3, deployment: { resources: [{ urn: "urn", ...resource }] } });
  const [{ urn: _, type: __, ...fields } = { urn: "", type: "" }] = copy.deployment.resources ?? [];
  return { ...fields, removed: [...removed.keys()] };
}

test.each([
  ["a text", secret("sesame"), hidden],
  ["each text of a list", secret(["sesame", "A"]), secret([SECRET_PLACEHOLDER, SECRET_PLACEHOLDER])],
  ["each of a map, whose names stay", secret({ HF_TOKEN: "hf_x" }), secret({ HF_TOKEN: SECRET_PLACEHOLDER })],
  ["one within a list", [{ a: [secret("sesame")], b: "as it is" }], [{ a: [hidden], b: "as it is" }]],
  ["a number", secret(1234), secret(0)],
  ["a secret in a secret", secret({ a: secret("sesame") }), secret({ a: hidden })],
  ["no yes or no, and nothing", secret([true, null]), secret([true, null])],
])("of an unknown property that is marked, it takes out %s", (_, value, expected) => {
  expect(redacted({ type: "x:y:Z", inputs: { p: value }, outputs: { p: value } })).toMatchObject({
    inputs: { p: expected },
    outputs: { p: expected },
  });
});

test("secrets in other fields of a resource go too", () => {
  expect(redacted({ type: "x:y:Z", propertyDependencies: secret("sesame") } as Omit<Resource, "urn">)).toMatchObject({
    propertyDependencies: hidden,
  });
});

const login = { address: "1.dkr.ecr", username: "AWS", password: "sesame" };
const withoutPassword = { ...login, password: SECRET_PLACEHOLDER };
const oidc = { type: "authenticate-oidc", authenticateOidc: { clientId: "i", clientSecret: "sesame" } };
const marked = { ...oidc, authenticateOidc: { clientId: "i", clientSecret: secret("sesame") } };

test.each([
  ["docker-build:index:Image", "registries", secret([login]), secret([withoutPassword])],
  [
    "docker-build:index:Image",
    "registries",
    [{ ...login, username: secret("AWS"), password: secret("sesame") }],
    [{ ...login, username: secret("AWS"), password: hidden }],
  ],
  ["docker-build:index:Index", "registry", secret(login), secret(withoutPassword)],
  [
    "aws:lb/listener:Listener",
    "defaultActions",
    secret([oidc]),
    secret([{ ...oidc, authenticateOidc: { clientId: "i", clientSecret: SECRET_PLACEHOLDER } }]),
  ],
  [
    "aws:lb/listener:Listener",
    "defaultActions",
    [marked],
    [{ ...oidc, authenticateOidc: { clientId: "i", clientSecret: hidden } }],
  ],
])("of %s, in %s, only the secret goes, whoever marked what", (type, property, value, expected) => {
  const { removed, ...fields } = redacted({ type, inputs: { [property]: value } });
  expect(fields).toEqual({ inputs: { [property]: expected } });
  expect(removed).toEqual(["sesame"]);
});

test("another marked value in such a list is a secret", () => {
  const inputs = { defaultActions: [{ ...oidc, order: secret(3), key: secret("k") }] };
  expect(redacted({ type: "aws:lb/listener:Listener", inputs })).toMatchObject({
    inputs: { defaultActions: [{ order: secret(0), key: hidden }] },
  });
});

test("a parameter of Systems Manager is none, unless it is kept as one", () => {
  const parameter = (type: string) =>
    redacted({ type: "aws:ssm/parameter:Parameter", inputs: { type, value: secret("{}") } }).inputs;
  expect(parameter("String")).toEqual({ type: "String", value: secret("{}") });
  expect(parameter("SecureString")).toEqual({ type: "SecureString", value: hidden });
});

test("the key of the state and what was under way are left out", () => {
  const deployment = { secrets_providers: { state: {} }, pending_operations: [{}], manifest: { time: "t" } };
  expect(redact({ version: 3, deployment }).copy).toEqual({
    version: 3,
    deployment: { manifest: { time: "t" }, resources: [] },
  });
});

test("an export whose secrets are encrypted is refused", () => {
  const inputs = { p: { [SIGNATURE]: SECRET, ciphertext: "v1:x" } };
  expect(() => redacted({ type: "x:y:Z", inputs })).toThrow("urn: expected secrets in the clear");
});

const VALUE = 'Sesame/"open"+1';
test.each([
  ["as it is", `x${VALUE}y`],
  ["in JSON", JSON.stringify({ a: VALUE })],
  ["in JSON in JSON", JSON.stringify(JSON.stringify({ a: VALUE }))],
  ["in an address", `https://x/?a=${encodeURIComponent(VALUE)}`],
  ["in base64", Buffer.from(VALUE).toString("base64")],
  ["in base64, after a user's name", Buffer.from(`AWS:${VALUE}`).toString("base64")],
  ["in base64, after another one's", Buffer.from(`me:${VALUE}`).toString("base64")],
  ["in base64 between other texts", Buffer.from(`user-1:${VALUE}:x`).toString("base64url")],
])("a secret is found %s", (_, text) => {
  expect(leaks(text, new Map([[VALUE, "holder"]]))).toEqual(["holder"]);
});

test("a text without it has no leak, and a short secret is not looked for", () => {
  const secrets = new Map([
    [VALUE, "holder"],
    ["short", "other"],
  ]);
  expect(leaks("a short text with Sesame", secrets)).toEqual([]);
});

test("a stack's file loses its secrets and their key, and on AWS gets a key for the program", () => {
  const text = `secretsprovider: awskms://alias/x
encryptedkey: AAAA
encryptionsalt: v1:x
config:
  aws:region: us-east-1
  aws:list:
    - a: {secure: v1:x}
  Picture-Perfect-Challenge:target: aws
  Picture-Perfect-Challenge:hfToken:
    secure: v1:x
`;
  const { text: file, secretKeys } = previewFile(text);
  expect(secretKeys).toEqual(["Picture-Perfect-Challenge:hfToken"]);
  expect(file).toBe(`config:
  aws:region: us-east-1
  aws:list:
    - a: ${SECRET_PLACEHOLDER}
  Picture-Perfect-Challenge:target: aws
  Picture-Perfect-Challenge:previewWithoutSecrets: "true"
`);
  const fleet = "config:\n  Picture-Perfect-Challenge:target: fleet\n";
  expect(previewFile(fleet).text).toBe(`${fleet}  Picture-Perfect-Challenge:previewWithoutSecrets: "true"\n`);
  expect(previewFile("config:\n  Picture-Perfect-Challenge:target: local\n").text).not.toContain(
    "previewWithoutSecrets",
  );
  expect(previewFile("").text).toBe("config: {}\n");
});
