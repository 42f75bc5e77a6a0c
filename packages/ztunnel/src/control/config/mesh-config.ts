import { parseDocument } from 'yaml';

/** What is used of Istio's ProxyConfig. */
export interface MeshConfig {
  readonly discoveryAddress: string | undefined;
  readonly proxyAdminPort: number | undefined;
  readonly statsPort: number | undefined;
  readonly concurrency: number | undefined;
  /** Keys with `ISTIO_META_` taken off. */
  readonly proxyMetadata: ReadonlyMap<string, string>;
}

const metadataPrefix = 'ISTIO_META_';
const maxPort = 65_535;

/** Takes the prefix off a metadata key. */
export function metadataKey(name: string): string {
  return name.startsWith(metadataPrefix) ? name.slice(metadataPrefix.length) : name;
}

/**
 * The ProxyConfig of a mesh config file and of the variable `PROXY_CONFIG`, the latter over the former, metadata key by
 * key. Returns the reason, as text, if one is wrong.
 */
export function parseMeshConfig(file: string | undefined, variable: string | undefined): MeshConfig | string {
  const fromFile = file === undefined ? {} : readYaml(file, 'failed parsing mesh config');
  if (typeof fromFile === 'string') return fromFile;
  const base = fromFile['defaultConfig'] ?? {};
  if (!isMap(base)) return 'failed parsing mesh config: defaultConfig: expected struct ProxyConfig';
  const over = variable === undefined ? { proxyMetadata: {} } : readYaml(variable, 'failed parsing proxy config env');
  if (typeof over === 'string') return over;
  if (over['proxyMetadata'] === undefined) return 'failed parsing proxy config env: missing field `proxyMetadata`';
  try {
    return {
      discoveryAddress: text(over, base, 'discoveryAddress'),
      proxyAdminPort: wholeNumber(over, base, { key: 'proxyAdminPort', most: maxPort }),
      statsPort: wholeNumber(over, base, { key: 'statsPort', most: maxPort }),
      concurrency: wholeNumber(over, base, { key: 'concurrency', most: maxPort }),
      proxyMetadata: new Map([...metadata(base), ...metadata(over)]),
    };
  } catch (error) {
    return `failed parsing proxy config: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function readYaml(source: string, what: string): Record<string, unknown> | string {
  const document = parseDocument(source, { version: '1.2' });
  const [problem] = document.errors;
  if (problem !== undefined) return `${what}: ${problem.message.split('\n')[0] ?? ''}`;
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  if (value === null) return {};
  if (isMap(value)) return value;
  return `${what}: invalid type: ${Array.isArray(value) ? 'sequence' : typeof value}, expected struct ProxyConfig`;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(over: Record<string, unknown>, base: Record<string, unknown>, key: string): string | undefined {
  const value = over[key] ?? base[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw new TypeError(`${key}: expected a string`);
  return value;
}

function wholeNumber(
  over: Record<string, unknown>,
  base: Record<string, unknown>,
  field: { readonly key: string; readonly most: number },
): number | undefined {
  const value = over[field.key] ?? base[field.key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= field.most) return value;
  throw new TypeError(`${field.key}: expected a whole number up to ${field.most}`);
}

function metadata(config: Record<string, unknown>): [string, string][] {
  const value = config['proxyMetadata'] ?? {};
  if (!isMap(value)) throw new TypeError('proxyMetadata: expected a map');
  return Object.entries(value).map(([key, entry]) => {
    if (typeof entry !== 'string' && typeof entry !== 'number' && typeof entry !== 'boolean')
      throw new TypeError(`proxyMetadata.${key}: expected a string`);
    return [metadataKey(key), String(entry)];
  });
}
