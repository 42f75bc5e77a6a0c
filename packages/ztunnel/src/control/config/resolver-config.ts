/** What resolv.conf(5) says that the proxy shows and will resolve with. */
export interface ResolverConfig {
  readonly domain: string | undefined;
  readonly search: readonly string[];
  readonly nameServers: readonly string[];
  readonly ndots: number;
  readonly timeoutSeconds: number;
  readonly attempts: number;
}

/** Of resolv.conf(5). */
const defaultNdots = 1;
const defaultTimeoutSeconds = 5;
const defaultAttempts = 2;

/** Reads resolv.conf; unknown lines are ignored, as the C library does. */
export function parseResolverConfig(text: string): ResolverConfig {
  let domain: string | undefined;
  let search: string[] = [];
  const nameServers: string[] = [];
  const options = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [keyword, ...words] = (line.split(/[#;]/)[0] ?? '').trim().split(/\s+/);
    if (keyword === 'domain') domain = words[0];
    else if (keyword === 'search') search = words;
    else if (keyword === 'nameserver' && words[0] !== undefined) nameServers.push(words[0]);
    else if (keyword === 'options') {
      for (const word of words) {
        const [, name, value] = /^(ndots|timeout|attempts):(\d+)$/.exec(word) ?? [];
        if (name !== undefined) options.set(name, Number(value));
      }
    }
  }
  return {
    domain,
    search,
    nameServers,
    ndots: options.get('ndots') ?? defaultNdots,
    timeoutSeconds: options.get('timeout') ?? defaultTimeoutSeconds,
    attempts: options.get('attempts') ?? defaultAttempts,
  };
}
