/**
 * A registry on loopback for tests, with all that pushing to one needs. In: programs on PATH (`docker-registry`,
 * `buildkitd`, `docker buildx`, `openssl`). Out: a registry that is as strict as a real one: TLS, a log-in, a log.
 * Must not touch the machine's own builders, log-ins or trust store.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";

/** Files of a certificate for 127.0.0.1, and of the authority that made it. */
export interface Certificate {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

const EXTENSIONS = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n";

export async function makeCertificate(directory: string): Promise<Certificate> {
  const file = (name: string) => join(directory, name);
  const openssl = async (...args: string[]) => execa("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const [caKey, request, extensions] = [file("ca.key"), file("request"), file("extensions")];
  const made = { authority: file("ca.pem"), certificate: file("tls.pem"), key: file("tls.key") };
  writeFileSync(extensions, EXTENSIONS);
  await openssl(
    "req",
    "-x509",
    ...newKey,
    "-days",
    "2",
    "-keyout",
    caKey,
    "-out",
    made.authority,
    "-subj",
    "/CN=tests",
  );
  await openssl("req", ...newKey, "-keyout", made.key, "-out", request, "-subj", "/CN=127.0.0.1");
  const authority = ["-CA", made.authority, "-CAkey", caKey, "-CAcreateserial"];
  await openssl(
    "x509",
    "-req",
    "-in",
    request,
    ...authority,
    "-days",
    "2",
    "-extfile",
    extensions,
    "-out",
    made.certificate,
  );
  return made;
}
