import type { CaConfig, SecretSource } from './config.ts';
import type { ConfigSystem } from './config-system.ts';
import { parseEndpointUri } from './endpoint-uri.ts';
import type { Environment } from './environment.ts';

const defaultRootCert = './var/run/secrets/istio/root-cert.pem';
const defaultToken = './var/run/secrets/tokens/istio-token';
const headerPrefix = 'CA_HEADER_';

/** The certificate authority's part of the configuration. Problems go to `environment` or `problems`. */
export function parseCaConfig(environment: Environment, system: ConfigSystem, problems: string[]): CaConfig {
  const given = environment.text('CA_ADDRESS') ?? istiodAddress(environment);
  if (given === '') problems.push('invalid configuration: CA_ADDRESS is empty (set it to the certificate authority)');
  return {
    address: checkedUri(given, problems),
    rootCert: rootCert(environment, system),
    alternativeHostname: environment.text('ALT_CA_HOSTNAME'),
    authToken: token(environment, system),
    headers: parseHeaders(headerPrefix, { environment, system, problems }),
  };
}

/** Additional gRPC metadata from variables with this prefix. */
export function parseHeaders(
  prefix: string,
  from: { readonly environment: Environment; readonly system: ConfigSystem; readonly problems: string[] },
): [string, string][] {
  const headers: [string, string][] = [];
  for (const name of from.system.environmentNames.filter((entry) => entry.startsWith(prefix)).toSorted()) {
    const key = name.slice(prefix.length);
    const value = from.environment.text(name) ?? '';
    // The keys of gRPC metadata: RFC 9110 §5.1 tokens; binary ones (`-bin`) cannot be given as text.
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(key) || key.toLowerCase().endsWith('-bin'))
      from.problems.push(`failed to parse header key: ${name}`);
    else if (!/^[\x20-\x7e]*$/.test(value)) from.problems.push('failed to serialize metadata value');
    else headers.push([key.toLowerCase(), value]);
  }
  return headers;
}

/** Checks an address and completes it; a bad one becomes a problem in the form of the reference. */
export function checkedUri(text: string, problems: string[]): string {
  if (text === '') return text;
  const parsed = parseEndpointUri(text);
  if ('uri' in parsed) return parsed.uri;
  problems.push(`invalid uri: ${parsed.problem}\n\nCaused by:\n    ${parsed.problem}`);
  return text;
}

/** Where istiod is by default. */
export function istiodAddress(environment: Environment): string {
  return environment.text('KUBERNETES_SERVICE_HOST') === undefined
    ? 'https://localhost:15012'
    : 'https://istiod.istio-system.svc:15012';
}

function rootCert(environment: Environment, system: ConfigSystem): SecretSource {
  const text = environment.text('CA_ROOT_CA') ?? defaultRootCert;
  if (text === 'SYSTEM') return { kind: 'system' };
  // A certificate that is not there yet may come later: only what looks like PEM is taken as such.
  if (!isThere('CA_ROOT_CA', text, { environment, system }) && text.includes('-----BEGIN'))
    return { kind: 'literal', text };
  return { kind: 'file', path: text };
}

function token(environment: Environment, system: ConfigSystem): CaConfig['authToken'] {
  const text = environment.text('AUTH_TOKEN');
  const path = text ?? defaultToken;
  if (isThere('AUTH_TOKEN', path, { environment, system })) return { kind: 'file', path };
  return text === undefined || text === '' ? undefined : { kind: 'literal', text };
}

/** Whether there is a file at `path`. One that cannot be read is a problem of the variable; it is a path then, no secret. */
function isThere(
  name: string,
  path: string,
  from: { readonly environment: Environment; readonly system: ConfigSystem },
): boolean {
  try {
    return from.system.readFile(path) !== undefined;
  } catch (error) {
    from.environment.refuse(name, `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return true;
  }
}
