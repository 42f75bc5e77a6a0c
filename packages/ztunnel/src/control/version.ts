/** Version of this package, kept by the release. */
const packageVersion = '0.1.0';

/** What is known of the build, with the names of the reference; the runtime stands in the place of the compiler. */
export function versionFields(istioVersion: string): [name: string, value: string][] {
  return [
    ['Version', packageVersion],
    ['GitRevision', 'unknown'],
    ['RustVersion', `node ${process.versions.node}`],
    ['BuildProfile', 'release'],
    ['BuildStatus', 'unknown'],
    ['IstioVersion', istioVersion],
    ['CryptoProvider', `openssl ${process.versions.openssl}`],
  ];
}

/** `version.BuildInfo{Version:"…", …}`. */
export function renderVersion(istioVersion: string): string {
  const fields = versionFields(istioVersion).map(([name, value]) => `${name}:${JSON.stringify(value)}`);
  return `version.BuildInfo{${fields.join(', ')}}`;
}
