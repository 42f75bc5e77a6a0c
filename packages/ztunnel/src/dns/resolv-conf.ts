import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

/** What of resolv.conf(5) matters to a forwarder. */
export interface ResolvConf {
  /** Addresses in the order of the file, without repetition. */
  readonly nameServers: readonly string[];
  /** Milliseconds for one try. */
  readonly tryTimeoutMs: number;
  readonly tries: number;
  /** Lower case, without the last dot. Only a proxy of a single workload uses it. */
  readonly searchDomains: readonly string[];
}

const DEFAULT_TIMEOUT_SECONDS = 5;
/** The C library's cap (RES_MAXRETRANS). */
const MAX_TIMEOUT_SECONDS = 30;
/** Attempts after the first, as the reference proxy understands `attempts`; with the C library's default of 2. */
const DEFAULT_RETRIES = 2;
/** The C library's cap (RES_MAXRETRY). */
const MAX_RETRIES = 5;
/** More name servers than this are not asked. */
const MAX_NAME_SERVERS = 8;

/** The resolver configuration of a text in the form of resolv.conf(5); what it does not understand is passed over. */
export function parseResolvConf(text: string): ResolvConf {
  const nameServers = new Set<string>();
  let searchDomains: readonly string[] = [];
  let timeoutSeconds = DEFAULT_TIMEOUT_SECONDS;
  let retries = DEFAULT_RETRIES;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    const [value = ''] = values;
    // An interface (`fe80::1%eth0`) means nothing in the namespace of a pod.
    const isServer = keyword === 'nameserver' && isIP(value) !== 0 && !value.includes('%');
    if (isServer && nameServers.size < MAX_NAME_SERVERS) nameServers.add(value);
    // The last of several lines counts, and `domain` is a list of one.
    if (keyword === 'search' || keyword === 'domain') searchDomains = values.map(canonicalDomain);
    if (keyword !== 'options') continue;
    for (const option of values) {
      timeoutSeconds = readOption(option, 'timeout', MAX_TIMEOUT_SECONDS) ?? timeoutSeconds;
      retries = readOption(option, 'attempts', MAX_RETRIES) ?? retries;
    }
  }
  return { nameServers: [...nameServers], tryTimeoutMs: timeoutSeconds * 1000, tries: retries + 1, searchDomains };
}

/**
 * Reads the process's own configuration; a file that is not there has no name servers.
 * @throws the error of the file system for any other failure.
 */
export function readResolvConf(path = '/etc/resolv.conf'): ResolvConf {
  try {
    return parseResolvConf(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return parseResolvConf('');
    throw error;
  }
}

function canonicalDomain(domain: string): string {
  return domain.toLowerCase().replace(/\.$/, '');
}

/** `name:n` with n from 1 to `most`. */
function readOption(option: string, name: string, most: number): number | undefined {
  if (!option.startsWith(`${name}:`)) return undefined;
  const value = Number(option.slice(name.length + 1));
  return Number.isSafeInteger(value) && value > 0 ? Math.min(value, most) : undefined;
}
